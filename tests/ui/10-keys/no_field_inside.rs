//! Each part of a path is a field.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    pub id: u64,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", key = customer.number)]
pub struct Refunded {
    pub customer: Customer,
}

fn main() {}
