//! A list of a topology is known.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    outside: [InvoiceSent];
}

fn main() {}
