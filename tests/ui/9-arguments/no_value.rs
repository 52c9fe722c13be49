//! An argument has a value.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(group = )]
async fn charge(_: OrderPlaced) {}

fn main() {}
