//! The word for no timeout is known.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(timeout = non)]
async fn charge(_: OrderPlaced) {}

fn main() {}
