//! Each event of a set that a handler waits for is published by somebody.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
    Invoiced(InvoiceSent),
}

#[handler]
async fn follow(_: Ordered) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [follow] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
