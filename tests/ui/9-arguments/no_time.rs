//! A timeout leaves some time.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(timeout = "0s")]
async fn charge(_: OrderPlaced) {}

fn main() {}
