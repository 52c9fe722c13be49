//! The same in batches.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn audit(_: Batch<AnyEvent>) {}

fn main() {}
