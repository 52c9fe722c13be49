//! What becomes of unhandled events is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(unhandled = skp)]
async fn charge(_: OrderPlaced) {}

fn main() {}
