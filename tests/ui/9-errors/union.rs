//! An error is no union.
use typebus::prelude::*;

#[derive(HandlerError)]
pub union Declined {
    pub code: u8,
}

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("declined")
    }
}

fn main() {}
