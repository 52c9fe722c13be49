//! An outcome that is misspelt has a suggestion.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    #[error("the card was declined")]
    #[outcome(dead_leter)]
    Declined,
}

fn main() {}
