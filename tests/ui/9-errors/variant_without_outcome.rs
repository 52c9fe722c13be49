//! Every variant says what becomes of the delivery.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    #[error("the card was declined")]
    #[outcome(dead_letter)]
    Declined,
    #[error("already charged")]
    Duplicate,
}

fn main() {}
