//! Kafka does not tell `.` and `_` apart, whichever service the topics are of.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop_orders", name = "order.archived")]
pub struct OrderArchived {}

#[handler]
async fn forget(_: OrderArchived) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Archive = "archive" { handles: [forget] }
}

topology! {
    pub Shop = [Billing, Archive];
    from_outside: [OrderPlaced, OrderArchived];
}

fn main() {}
