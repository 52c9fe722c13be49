//! Some arguments are bare words.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(broadcast = true)]
async fn charge(_: OrderPlaced) {}

fn main() {}
