//! A handler of any event says to which topic it listens, in batches too.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn audit(_: Batch<AnyEvent>) {}

fn main() {}
