//! The delays of a backoff are a range.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(retry(backoff = "100ms"))]
async fn charge(_: OrderPlaced) {}

fn main() {}
