//! Some arguments are written with parentheses.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(retry = 5)]
async fn charge(_: OrderPlaced) {}

fn main() {}
