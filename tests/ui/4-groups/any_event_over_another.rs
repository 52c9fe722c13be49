//! A pattern that takes every event is alone in its group.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "shop.>")]
async fn audit(_: AnyEvent) {}

service! {
    pub Billing = "billing" { handles: [charge, audit] }
}

fn main() {}
