//! Only an event with fields has a field in its topic.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{tenant}.orders", name = "order.shipped")]
pub struct OrderShipped;

fn main() {}
