//! An event does not lead to itself by way of a set that is returned.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[handler]
async fn check(order: OrderPlaced) -> Ordered {
    Ordered::Cancelled(OrderCancelled { order_id: order.order_id })
}

service! {
    pub Checking = "checking" { handles: [check] }
}

topology! {
    pub Shop = [Checking];
    to_outside: [OrderCancelled];
}

fn main() {}
