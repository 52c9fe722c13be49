//! Two events that a service knows have two names.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.deliveries", name = "order.placed")]
pub struct Delivered;

service! {
    pub Billing = "billing" { publishes: [OrderPlaced, Delivered] }
}

fn main() {}
