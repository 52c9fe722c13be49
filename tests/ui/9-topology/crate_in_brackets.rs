//! The runtime is one path and no list.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    to_outside: [InvoiceSent];
    crate: [typebus];
}

fn main() {}
