//! An enum has no field that all its variants share.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", key = order_id)]
pub enum Refunded {
    Whole { order_id: String },
    Part { order_id: String },
}

fn main() {}
