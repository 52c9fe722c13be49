//! A group reads the topics of a set for one service.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[handler(group = "orders")]
async fn charge(_: OrderPlaced) {}

#[handler(group = "orders")]
async fn follow(_: Ordered) {}

service! {
    pub Storefront = "storefront" { publishes: [Ordered] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Following = "following" { handles: [follow] }
}

topology! {
    pub Shop = [Storefront, Billing, Following];
}

fn main() {}
