//! What becomes of unknown versions is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(unknown_version = dead_leter)]
async fn charge(_: OrderPlaced) {}

fn main() {}
