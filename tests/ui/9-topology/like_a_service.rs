//! A topology is not written like a service.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = "shop" { services: [Storefront] }
}

fn main() {}
