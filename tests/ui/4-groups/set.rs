//! One delivery has one handler, in a set too.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn follow(_: Ordered) {}

service! {
    pub Billing = "billing" { handles: [charge, follow] }
}

fn main() {}
