//! The program publishes what its service lists.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [InvoiceSent] }
}

fn announce(bus: &typebus::Bus<Billing>) {
    let _ = bus.publish(&PaymentCaptured { order_id: String::new() });
}

fn main() {}
