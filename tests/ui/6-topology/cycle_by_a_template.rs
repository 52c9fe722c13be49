//! An event whose topic has a field does not lead to itself by way of a pattern.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.shipments", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

#[handler(topic = "shop.*.shipments")]
async fn watch(_: AnyEvent) -> Option<OrderShipped> {
    None
}

service! {
    pub Shipping = "shipping" { handles: [watch] }
}

topology! {
    pub Shop = [Shipping];
}

fn main() {}
