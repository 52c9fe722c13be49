//! What comes from outside is published nowhere inside.

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
    from_outside: [OrderPlaced];
}

fn main() {}
