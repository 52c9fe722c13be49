//! An argument is given once.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(group = "billing", group = "payments")]
async fn charge(_: OrderPlaced) {}

fn main() {}
