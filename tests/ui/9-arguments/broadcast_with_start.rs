//! An instance's own copy starts with the instance.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(broadcast, start = earliest)]
async fn charge(_: OrderPlaced) {}

fn main() {}
