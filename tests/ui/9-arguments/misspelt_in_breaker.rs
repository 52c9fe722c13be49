//! What stands in the parentheses of `breaker` is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(breaker(aftr = 20))]
async fn charge(_: OrderPlaced) {}

fn main() {}
