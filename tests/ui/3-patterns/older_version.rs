//! An older version of the event that a pattern brings is one that the handler reads.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked")]
pub struct RefundAskedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked", version = 2)]
pub struct RefundAsked {}

#[handler(topic = "*.refunds")]
async fn refund(_: RefundAsked) {}

service! {
    pub Billing = "billing" { handles: [refund], publishes: [RefundAskedV1] }
}

fn main() {}
