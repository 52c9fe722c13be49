//! A list has a name.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    [InvoiceSent];
}

fn main() {}
