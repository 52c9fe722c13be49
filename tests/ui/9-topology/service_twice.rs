//! A service is listed once.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront, Storefront];
    to_outside: [InvoiceSent];
}

fn main() {}
