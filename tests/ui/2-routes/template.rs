//! A handler's pattern receives every topic that its event can have.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.shipments", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[handler(topic = "shop.*")]
async fn bill(_: OrderShipped) {}

fn main() {}
