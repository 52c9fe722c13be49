//! On a pattern that takes any event, somebody publishes.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "bank.>")]
async fn audit(_: AnyEvent) {}

service! {
    pub Billing = "billing" { handles: [charge, audit] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
