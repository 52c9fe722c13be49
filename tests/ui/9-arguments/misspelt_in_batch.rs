//! What stands in the parentheses of `batch` is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(batch(maxx = 10))]
async fn charge(_: Batch<OrderPlaced>) {}

fn main() {}
