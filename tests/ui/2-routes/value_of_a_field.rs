//! A handler listens to every value of a field in its event's topic.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.shipments", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[handler(topic = "shop.acme.shipments")]
async fn bill(_: OrderShipped) {}

fn main() {}
