//! A group reads a topic for one service, in batches too.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(group = "orders")]
async fn charge(_: OrderPlaced) {}

#[handler(group = "orders")]
async fn index(_: Batch<OrderPlaced>) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Search = "search" { handles: [index] }
}

topology! {
    pub Shop = [Storefront, Billing, Search];
}

fn main() {}
