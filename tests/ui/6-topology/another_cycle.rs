//! Each cycle is named, and not one of them alone.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(order: OrderPlaced) -> Option<OrderPlaced> {
    Some(order)
}

#[handler]
async fn remind(_: InvoiceSent) -> Option<InvoiceSent> {
    None
}

service! {
    pub Billing = "billing" { handles: [charge, remind] }
}

topology! {
    pub Shop = [Billing];
    may_repeat: [OrderPlaced];
}

fn main() {}
