//! A topic receives the event of its batches.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.order")]
async fn index(_: Batch<OrderPlaced>) {}

fn main() {}
