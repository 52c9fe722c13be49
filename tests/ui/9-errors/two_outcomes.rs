//! A delivery has one outcome.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("the card was declined")]
#[outcome(retry, dead_letter)]
pub struct Declined;

fn main() {}
