//! Dead letters of a group go to one topic.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(dead_letter = "dead.{tenant}")]
async fn charge(_: OrderPlaced) {}

fn main() {}
