//! What a pattern brings may have a field in its topic.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.shipments", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[handler(topic = "shop.>")]
async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge], publishes: [OrderShipped] }
}

fn main() {}
