//! The key is a `Key`.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    pub id: u64,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", key = customer)]
pub struct Refunded {
    pub customer: Customer,
}

fn main() {}
