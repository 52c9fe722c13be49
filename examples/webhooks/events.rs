//! What the gateway publishes: one type for each kind of webhook that somebody here cares about, one for the
//! rest, one for lines that are no webhooks; and the two events that `triage` returns.
//!
//! The types are read straight from GitHub's payloads, so their fields are GitHub's. Only `delivery` is ours:
//! the line's number and the repeat, so that every run publishes the same ids.

mod ci;
mod code;
mod discussions;
mod issues;
mod parts;
mod people;
mod pulls;
mod releases;
mod rest;
mod triaged;

pub use ci::*;
pub use code::*;
pub use discussions::*;
pub use issues::*;
pub use parts::*;
pub use people::*;
pub use pulls::*;
pub use releases::*;
pub use rest::*;
pub use triaged::*;
