//! A service is listed by its type.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = ["storefront"];
    to_outside: [InvoiceSent];
}

fn main() {}
