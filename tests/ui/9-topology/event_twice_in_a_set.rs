//! An event is listed once, alone or in a set.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

service! {
    pub Storefront = "storefront" { publishes: [Ordered] }
}

topology! {
    pub Shop = [Storefront];
    to_outside: [Ordered, OrderPlaced];
}


fn main() {}
