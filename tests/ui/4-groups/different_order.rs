//! One subscription has one order.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(order = none)]
async fn cancel(_: OrderCancelled) {}

service! {
    pub Billing = "billing" { handles: [charge, cancel] }
}

fn main() {}
