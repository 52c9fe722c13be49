//! A message on two overlapping patterns would be handled once, by either.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*")]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "*.orders")]
async fn cancel(_: OrderCancelled) {}

service! {
    pub Billing = "billing" { handles: [charge, cancel] }
}

fn main() {}
