//! An event does not lead to itself by way of a pattern that takes any.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.>")]
async fn audit(_: AnyEvent) -> InvoiceSent {
    InvoiceSent
}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Auditing = "auditing" { handles: [audit] }
}

topology! {
    pub Shop = [Storefront, Auditing];
}

fn main() {}
