//! What a handler waits for, somebody publishes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn send(_: InvoiceSent) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge, send] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
