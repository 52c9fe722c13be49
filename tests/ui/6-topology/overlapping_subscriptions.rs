//! A group reads what two patterns have in common for one service.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*", group = "audit")]
async fn watch(_: AnyEvent) {}

#[handler(topic = "*.orders", group = "audit")]
async fn count(_: AnyEvent) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Watching = "watching" { handles: [watch] }
}

service! {
    pub Counting = "counting" { handles: [count] }
}

topology! {
    pub Shop = [Storefront, Watching, Counting];
}

fn main() {}
