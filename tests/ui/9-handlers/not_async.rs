//! A handler is `async`.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
fn charge(_: OrderPlaced) {}

fn main() {}
