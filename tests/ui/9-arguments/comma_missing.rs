//! Arguments are separated by commas.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(group = "billing" concurrency = 32)]
async fn charge(_: OrderPlaced) {}

fn main() {}
