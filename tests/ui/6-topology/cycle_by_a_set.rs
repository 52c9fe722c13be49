//! An event does not lead to itself by way of a set.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[handler]
async fn follow(_: Ordered) -> Vec<InvoiceSent> {
    Vec::new()
}

#[handler]
async fn complain(_: InvoiceSent) -> Result<OrderCancelled, Failure> {
    Ok(OrderCancelled { order_id: String::new() })
}

service! {
    pub Billing = "billing" { handles: [follow, complain] }
}

topology! {
    pub Shop = [Billing];
    from_outside: [OrderPlaced];
}

fn main() {}
