//! To hold takes time.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(unknown_version = hold("0s"))]
async fn charge(_: OrderPlaced) {}

fn main() {}
