//! The real command: what it prints, how it ends, and what it says is wrong. `TYPEBUS_BLESS=1` writes the files in
//! `golden/` anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod asyncapi;
mod call;
mod check;
mod diff;
mod docs;
mod graph;
mod init;
mod manifests;
mod programs;
mod provision;
mod schema;
mod shell;
mod validate;
