//! What may repeat is an event of the cycle, and not one that only comes of it.

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
    may_repeat: [OrderPlaced, InvoiceSent];
}

fn main() {}
