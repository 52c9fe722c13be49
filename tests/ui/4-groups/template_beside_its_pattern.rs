//! One delivery has one handler, on a pattern that says the same as a field.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.shipments", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[handler]
async fn bill(_: OrderShipped) {}

#[handler(topic = "shop.*.shipments")]
async fn audit(_: AnyEvent) {}

service! {
    pub Billing = "billing" { handles: [bill, audit] }
}

fn main() {}
