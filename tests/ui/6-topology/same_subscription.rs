//! A group reads a topic for one service.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(group = "orders")]
async fn charge(_: OrderPlaced) {}

#[handler(group = "orders")]
async fn ship(_: OrderPlaced) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Shipping = "shipping" { handles: [ship] }
}

topology! {
    pub Shop = [Storefront, Billing, Shipping];
}

fn main() {}
