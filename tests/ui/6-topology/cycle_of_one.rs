//! A handler does not publish what it takes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(order: OrderPlaced) -> Option<OrderPlaced> {
    Some(order)
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

topology! {
    pub Shop = [Billing];
}

fn main() {}
