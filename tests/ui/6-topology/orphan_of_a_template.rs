//! An event whose topic has a field is handled by somebody.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.shipments", name = "order.shipped")]
pub struct OrderShipped {
    pub tenant: String,
}

service! {
    pub Shipping = "shipping" { publishes: [OrderShipped] }
}

topology! {
    pub Shop = [Shipping];
}

fn main() {}
