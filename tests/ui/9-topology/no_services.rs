//! A topology has services.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop;
    to_outside: [InvoiceSent];
}

fn main() {}
