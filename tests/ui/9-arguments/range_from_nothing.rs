//! Between two attempts some time passes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(retry(backoff = "0ms..30s"))]
async fn charge(_: OrderPlaced) {}

fn main() {}
