//! A topology lists services, and they list the handlers.

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
    pub Shop = [Storefront, Billing, charge];
}

fn main() {}
