//! A batch holds events.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: Batch<Plain>) {}

fn main() {}
