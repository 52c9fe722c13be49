//! A list that is misspelt has a suggestion.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
    to_ouside: [InvoiceSent];
}

fn main() {}
