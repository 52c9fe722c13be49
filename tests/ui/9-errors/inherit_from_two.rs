//! An outcome is inherited from one error.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    #[error("{0} {1}")]
    #[outcome(inherit)]
    Both(Failure, u8),
}

fn main() {}
