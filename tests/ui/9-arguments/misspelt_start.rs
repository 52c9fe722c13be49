//! The place to start at is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(start = earlist)]
async fn charge(_: OrderPlaced) {}

fn main() {}
