//! A handler returns events.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) -> Option<Plain> {
    None
}

fn main() {}
