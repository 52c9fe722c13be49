//! Kafka does not tell `.` and `_` apart.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop_orders")]
pub struct Ordered;

service! {
    pub Billing = "billing" { publishes: [OrderPlaced, Ordered] }
}

fn main() {}
