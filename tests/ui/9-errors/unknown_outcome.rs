//! An outcome is known.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("the card was declined")]
#[outcome(deadletter)]
pub struct Declined;

fn main() {}
