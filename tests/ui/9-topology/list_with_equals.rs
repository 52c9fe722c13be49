//! A list of events follows a `:`.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    to_outside = [InvoiceSent];
}

fn main() {}
