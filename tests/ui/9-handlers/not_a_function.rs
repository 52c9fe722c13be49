//! `#[handler]` goes on a function.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
pub struct Charge {
    pub order: OrderPlaced,
}

fn main() {}
