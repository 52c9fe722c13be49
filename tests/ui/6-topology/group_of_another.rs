//! A group that is named after another service shares its work.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "shop.>", group = "billing")]
async fn audit(_: AnyEvent) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Auditing = "auditing" { handles: [audit] }
}

topology! {
    pub Shop = [Storefront, Billing, Auditing];
}

fn main() {}
