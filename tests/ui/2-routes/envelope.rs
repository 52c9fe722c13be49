//! A topic receives the event of its envelopes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.payments")]
async fn charge(_: Envelope<OrderPlaced>) {}

fn main() {}
