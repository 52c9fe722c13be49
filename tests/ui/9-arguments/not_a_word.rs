//! Some values are words without quotes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(order = "partition")]
async fn charge(_: OrderPlaced) {}

fn main() {}
