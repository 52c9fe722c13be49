//! The key is a field of the event.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", key = ordr_id)]
pub struct Refunded {
    pub order_id: String,
    pub reason: String,
}

fn main() {}
