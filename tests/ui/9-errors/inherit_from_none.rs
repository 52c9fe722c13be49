//! What is inherited is said by the error inside.
use typebus::prelude::*;

#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    #[error("{0}")]
    #[outcome(inherit)]
    Disk(std::io::Error),
}

fn main() {}
