//! An outcome stands on each variant, not on the enum.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
#[outcome(retry)]
pub enum ChargeError {
    #[error("the card was declined")]
    #[outcome(dead_letter)]
    Declined,
}

fn main() {}
