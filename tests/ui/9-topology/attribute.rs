//! An entry of a topology may depend on the configuration, and that is all.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [#[allow(unused)] Storefront];
    to_outside: [InvoiceSent];
}

fn main() {}
