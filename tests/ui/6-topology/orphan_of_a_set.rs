//! Of each event of a set that is published there is a handler.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

service! {
    pub Storefront = "storefront" { publishes: [Ordered] }
}

#[handler]
async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
