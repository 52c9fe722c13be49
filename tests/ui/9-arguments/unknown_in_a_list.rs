//! What stands in parentheses is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(retry(atempts = 5))]
async fn charge(_: OrderPlaced) {}

fn main() {}
