//! A duration ends some day.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(timeout = "99999999999999999999d")]
async fn charge(_: OrderPlaced) {}

fn main() {}
