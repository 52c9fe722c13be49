//! A field in braces is written as in the struct.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{the tenant}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

fn main() {}
