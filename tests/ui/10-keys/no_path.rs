//! A key is a path, no expression.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", key = order_id + reason)]
pub struct Refunded {
    pub order_id: String,
    pub reason: String,
}

fn main() {}
