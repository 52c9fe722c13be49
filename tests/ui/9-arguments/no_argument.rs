//! An argument has a name.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler("shop.orders")]
async fn charge(_: OrderPlaced) {}

fn main() {}
