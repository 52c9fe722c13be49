//! At least one attempt runs.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(concurrency = 0)]
async fn charge(_: OrderPlaced) {}

fn main() {}
