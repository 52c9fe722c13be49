//! A duration stands in quotes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(timeout = 10)]
async fn charge(_: OrderPlaced) {}

fn main() {}
