//! A range begins with the shorter duration.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(retry(backoff = "30s..100ms"))]
async fn charge(_: OrderPlaced) {}

fn main() {}
