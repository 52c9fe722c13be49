//! One subscription starts at one place.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(start = latest)]
async fn cancel(_: OrderCancelled) {}

service! {
    pub Billing = "billing" { handles: [charge, cancel] }
}

fn main() {}
