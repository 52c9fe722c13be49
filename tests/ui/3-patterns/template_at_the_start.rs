//! A field may have the value that makes its topic that of another event.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{tenant}.orders", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[handler]
async fn bill(_: OrderShipped) {}

service! {
    pub Billing = "billing" { handles: [bill], publishes: [OrderPlaced] }
}

fn main() {}
