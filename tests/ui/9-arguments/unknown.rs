//! An argument is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(partition = "orders")]
async fn charge(_: OrderPlaced) {}

fn main() {}
