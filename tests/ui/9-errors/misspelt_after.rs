//! The argument of `retry` that is misspelt has a suggestion.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    #[error("the card was declined")]
    #[outcome(retry(afer = "5s"))]
    Declined,
}

fn main() {}
