//! Jitter is on or off.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(retry(jitter = "no"))]
async fn charge(_: OrderPlaced) {}

fn main() {}
