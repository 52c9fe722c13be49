//! What a handler takes exists.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlace) {}

fn main() {}
