//! What a service publishes, somebody handles.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced, InvoiceSent] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
