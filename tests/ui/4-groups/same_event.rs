//! One delivery has one handler.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn refund(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge, refund] }
}

fn main() {}
