//! A field of a tuple struct is known by its number.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{1}.orders", name = "order.shipped")]
pub struct OrderShipped(pub String);

fn main() {}
