//! A handler owns its arguments, in every part.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: Option<&str>) {}

fn main() {}
