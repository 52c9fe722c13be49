//! Of a set that may repeat, each event is part of a cycle.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[handler]
async fn charge(_: OrderPlaced) -> Option<OrderPlaced> {
    None
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

topology! {
    pub Shop = [Billing];
    may_repeat: [Ordered];
}


fn main() {}
