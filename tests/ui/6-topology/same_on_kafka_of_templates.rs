//! Two topics with a field are told apart on Kafka, whichever service they are of.

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

#[handler]
async fn bill(_: OrderShipped) {}

#[handler]
async fn refund(_: OrderReturned) {}

service! {
    pub Shipping = "shipping" { handles: [bill], publishes: [OrderShipped] }
}

service! {
    pub Returns = "returns" { handles: [refund], publishes: [OrderReturned] }
}

topology! {
    pub Shop = [Shipping, Returns];
}

fn main() {}
