//! `batch` is for handlers of batches.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(batch(max = 100))]
async fn charge(_: OrderPlaced) {}

fn main() {}
