//! A delay is at most five minutes.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("the card was declined")]
#[outcome(retry(after = "6m"))]
pub struct Declined;

fn main() {}
