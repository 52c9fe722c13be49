//! A topic for dead letters is exact.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(dead_letter = "dead.*")]
async fn charge(_: OrderPlaced) {}

fn main() {}
