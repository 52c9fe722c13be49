//! A field stands in one pair of braces.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{{tenant}}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

fn main() {}
