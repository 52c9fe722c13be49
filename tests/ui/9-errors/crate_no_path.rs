//! The runtime of an error is named by a path.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, HandlerError)]
#[outcome(crate = "typebus")]
pub enum Failed {
    #[outcome(retry)]
    Late,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("late")
    }
}

fn main() {}
