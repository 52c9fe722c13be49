//! An event does not lead to itself by way of one of several that are returned.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) -> (InvoiceSent, Option<OrderPlaced>) {
    (InvoiceSent, None)
}

#[handler]
async fn send(_: InvoiceSent) {}

service! {
    pub Billing = "billing" { handles: [charge, send] }
}

topology! {
    pub Shop = [Billing];
}

fn main() {}
