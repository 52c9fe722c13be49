//! A breaker opens after some number of failures.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(breaker())]
async fn charge(_: OrderPlaced) {}

fn main() {}
