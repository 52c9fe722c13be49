//! A handler of batches is alone in its subscription.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn cancel(_: Batch<OrderCancelled>) {}

service! {
    pub Billing = "billing" { handles: [charge, cancel] }
}

fn main() {}
