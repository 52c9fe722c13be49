//! A handler listens to every value of a field.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{tenant}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[handler(topic = "{tenant}.orders")]
async fn bill(_: OrderShipped) {}

fn main() {}
