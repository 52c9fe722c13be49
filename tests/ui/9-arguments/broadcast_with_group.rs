//! What every instance gets is not shared.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(broadcast, group = "billing")]
async fn charge(_: OrderPlaced) {}

fn main() {}
