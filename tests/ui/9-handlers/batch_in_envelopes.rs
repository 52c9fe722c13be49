//! A batch holds no envelopes of batches.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn index(_: Batch<Envelope<Batch<OrderPlaced>>>) {}

fn main() {}
