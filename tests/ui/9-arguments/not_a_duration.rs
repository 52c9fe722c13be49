//! A duration has a unit.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(timeout = "10")]
async fn charge(_: OrderPlaced) {}

fn main() {}
