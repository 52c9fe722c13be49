//! A service is listed once, whatever it is called.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

use Billing as Payments;

topology! {
    pub Shop = [Storefront, Billing, Payments];
}

fn main() {}
