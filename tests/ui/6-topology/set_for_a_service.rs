//! A set of events is no service.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[handler]
async fn follow(_: Ordered) {}

service! {
    pub Storefront = "storefront" { handles: [follow], publishes: [Ordered] }
}

topology! {
    pub Shop = [Storefront, Ordered];
}

fn main() {}
