//! What a path leads to is a `Key`.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    pub balance: f64,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", id = customer.balance)]
pub struct Refunded {
    pub customer: Customer,
}

fn main() {}
