//! A batch from a pattern holds every event that the pattern brings.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*")]
async fn index(_: Batch<OrderPlaced>) {}

service! {
    pub Search = "search" { handles: [index], publishes: [OrderPlaced, InvoiceSent] }
}

fn main() {}
