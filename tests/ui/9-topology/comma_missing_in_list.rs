//! Services are separated by commas.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront Billing];
    to_outside: [InvoiceSent];
}

fn main() {}
