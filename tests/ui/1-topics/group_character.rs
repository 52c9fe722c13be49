//! A group is one token.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(group = "billing.eu")]
async fn charge(_: OrderPlaced) {}

fn main() {}
