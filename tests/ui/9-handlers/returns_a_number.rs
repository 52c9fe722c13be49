//! A handler returns events, not a value for its caller.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) -> u64 {
    1
}

fn main() {}
