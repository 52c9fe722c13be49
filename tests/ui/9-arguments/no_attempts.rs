//! The first run is an attempt too.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(retry(attempts = 0))]
async fn charge(_: OrderPlaced) {}

fn main() {}
