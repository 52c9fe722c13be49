//! The number of attempts is a number.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(concurrency = "32")]
async fn charge(_: OrderPlaced) {}

fn main() {}
