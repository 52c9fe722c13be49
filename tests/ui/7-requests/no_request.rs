//! What is requested is answered.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

fn ask(bus: &typebus::Bus<Storefront>) {
    let _ = bus.request(&InvoiceSent);
}

fn main() {}
