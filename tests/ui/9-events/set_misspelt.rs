//! The argument of a set that is misspelt has a suggestion.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
#[event(crat = ::typebus)]
pub enum Any {
    Placed(OrderPlaced),
}

fn main() {}
