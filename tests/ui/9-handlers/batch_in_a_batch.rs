//! A batch holds no batches.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn index(_: Batch<Batch<OrderPlaced>>) {}

fn main() {}
