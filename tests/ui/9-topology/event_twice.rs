//! A list of a topology names an event once.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    to_outside: [InvoiceSent, InvoiceSent];
}

fn main() {}
