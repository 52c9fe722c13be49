//! A publisher is had for what the service lists.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [InvoiceSent] }
}

fn publisher(bus: &typebus::Bus<Billing>) -> Publisher<PaymentCaptured> {
    bus.publisher()
}

fn main() {}
