//! The value of a field can be a token.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{weight}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub weight: f64,
}

fn main() {}
