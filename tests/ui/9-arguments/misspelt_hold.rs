//! The word for holding is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(unknown_version = hld("15m"))]
async fn charge(_: OrderPlaced) {}

fn main() {}
