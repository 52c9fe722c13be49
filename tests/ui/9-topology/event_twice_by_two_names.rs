//! An event is listed once, whatever it is called.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    to_outside: [InvoiceSent, common::InvoiceSent];
}


fn main() {}
