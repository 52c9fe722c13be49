//! A field in a topic is one that the event always has.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.orders", name = "order.shipped")]
pub enum OrderShipped {
    Whole { tenant: String },
    Part { tenant: String },
}

fn main() {}
