//! Nine mistakes in the form of a topology, and none in its services.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront, Storefront, #[allow(unused)] "billing"],
    from_ouside: [OrderPlaced];
    to_outside: (InvoiceSent);
    may_repeat: [OrderPlaced OrderCancelled];
    may_repeat: [PaymentCaptured];
    crate: "typebus";
}

fn main() {}
