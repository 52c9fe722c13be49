//! A word is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(order = partitions)]
async fn charge(_: OrderPlaced) {}

fn main() {}
