//! On a pattern whose batches take any event, somebody publishes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "bank.*", group = "audit")]
async fn audit(_: Batch<AnyEvent>) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge, audit] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
