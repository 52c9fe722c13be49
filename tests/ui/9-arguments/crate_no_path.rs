//! The runtime of a handler is named by a path.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(crate = "typebus")]
async fn charge(_: OrderPlaced) {}

fn main() {}
