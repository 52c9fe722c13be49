//! One subscription has one guarantee.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(delivery = at_most_once)]
async fn cancel(_: OrderCancelled) {}

service! {
    pub Billing = "billing" { handles: [charge, cancel] }
}

fn main() {}
