//! Arguments after the first are extractors.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: Plain) {}

fn main() {}
