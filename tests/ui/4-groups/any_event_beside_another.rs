//! Who takes every event of a topic is alone there.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "shop.orders")]
async fn audit(_: AnyEvent) {}

service! {
    pub Billing = "billing" { handles: [charge, audit] }
}

fn main() {}
