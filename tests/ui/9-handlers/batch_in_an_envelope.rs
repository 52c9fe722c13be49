//! A batch is the whole of what arrives.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn index(_: Envelope<Batch<OrderPlaced>>) {}

fn main() {}
