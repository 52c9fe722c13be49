//! One delivery has one handler, in a set of newer versions too.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked")]
pub struct RefundAskedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked", version = 2, upcasts(RefundAskedV1))]
pub struct RefundAsked {}

impl From<RefundAskedV1> for RefundAsked {
    fn from(_: RefundAskedV1) -> Self {
        Self {}
    }
}

#[derive(EventSet)]
pub enum Asked {
    Refund(RefundAsked),
    Cancelled(OrderCancelled),
}

#[handler]
async fn refund(_: RefundAskedV1) {}

#[handler]
async fn answer(_: Asked) {}

service! {
    pub Billing = "billing" { handles: [refund, answer] }
}

fn main() {}
