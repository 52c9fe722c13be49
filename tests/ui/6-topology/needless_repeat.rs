//! What may repeat is part of a cycle.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

topology! {
    pub Shop = [Storefront, Billing];
    may_repeat: [OrderPlaced];
}

fn main() {}
