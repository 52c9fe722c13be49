//! The crate's path is said once.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    #[error("the card was declined")]
    #[outcome(dead_letter, crate = typebus)]
    Declined,
}

fn main() {}
