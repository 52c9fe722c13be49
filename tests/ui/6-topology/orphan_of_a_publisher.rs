//! What a `Publisher` is for, somebody handles.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

#[handler]
async fn charge(_: OrderPlaced, _: Publisher<(PaymentCaptured, InvoiceSent)>) {}

#[handler]
async fn send(_: InvoiceSent) {}

service! {
    pub Billing = "billing" { handles: [charge, send] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
