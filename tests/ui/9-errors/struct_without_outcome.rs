//! An error that is a struct says what becomes of the delivery.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("the card was declined")]
pub struct Declined;

fn main() {}
