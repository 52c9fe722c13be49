//! What stands in braces is a field.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{tennant}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
    pub order_id: String,
}

fn main() {}
