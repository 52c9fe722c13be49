//! A handler owns its arguments.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: &OrderPlaced) {}

fn main() {}
