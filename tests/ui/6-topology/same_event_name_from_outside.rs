//! An event from outside has no name that an event inside has.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "phone.orders", name = "order.placed")]
pub struct OrderCalled {}

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn call(_: OrderCalled) {}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced] }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Calls = "calls" { handles: [call] }
}

topology! {
    pub Shop = [Storefront, Billing, Calls];
    from_outside: [OrderCalled];
}

fn main() {}
