//! A field in a topic is one of the event's own.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{customer.region}.shipments", name = "order.shipped")]
pub struct OrderShipped {
    customer: String,
}

fn main() {}
