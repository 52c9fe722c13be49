//! A topology has a name.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    = [Storefront];
    to_outside: [InvoiceSent];
}

fn main() {}
