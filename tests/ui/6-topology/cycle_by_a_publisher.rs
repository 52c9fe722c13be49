//! An event does not lead to itself by way of a `Publisher`.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: Publisher<(InvoiceSent, PaymentCaptured)>) {}

#[handler]
async fn book(payment: PaymentCaptured) -> OrderPlaced {
    OrderPlaced { order_id: payment.order_id }
}

service! {
    pub Billing = "billing" { handles: [charge, book] }
}

topology! {
    pub Shop = [Billing];
    to_outside: [InvoiceSent];
}

fn main() {}
