//! What is published is an event.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [InvoiceSent] }
}

fn announce(bus: &typebus::Bus<Billing>) {
    let _ = bus.publish(&Plain);
}

fn main() {}
