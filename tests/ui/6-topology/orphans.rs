//! Of each event that a service publishes there is a handler.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced, OrderCancelled, InvoiceSent] }
}

topology! {
    pub Shop = [Storefront];
}

fn main() {}
