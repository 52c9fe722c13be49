//! Braces name a field.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

fn main() {}
