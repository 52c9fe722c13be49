//! Dead letters go to a topic or are discarded.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(dead_letter = drop)]
async fn charge(_: OrderPlaced) {}

fn main() {}
