//! A list of a topology is given once.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    to_outside: [InvoiceSent];
    to_outside: [PaymentCaptured];
}

fn main() {}
