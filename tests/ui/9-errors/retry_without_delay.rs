//! What stands after `retry` is a delay.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("the card was declined")]
#[outcome(retry())]
pub struct Declined;

fn main() {}
