//! The real command: what it prints, how it ends, and what it says is wrong. `TYPEBUS_BLESS=1` writes the files in
//! `golden/` anew.

mod asyncapi;
mod call;
mod docs;
mod graph;
mod init;
mod manifests;
mod schema;
mod shell;
mod validate;
