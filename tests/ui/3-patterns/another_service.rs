//! What a pattern brings may be what another service of the system publishes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*")]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn send(_: InvoiceSent) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced, InvoiceSent] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Mailing = "mailing" { handles: [send] }
}

topology! {
    pub Shop = [Storefront, Billing, Mailing];
}

fn main() {}
