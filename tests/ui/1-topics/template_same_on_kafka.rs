//! Kafka does not tell `.` and `_` apart, in a topic with a field too.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.order.parts", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.order_parts", name = "order.returned")]
pub struct OrderReturned {
    pub tenant: String,
}

service! {
    pub Shipping = "shipping" { publishes: [OrderShipped, OrderReturned] }
}

fn main() {}
