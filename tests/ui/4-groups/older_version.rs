//! One delivery has one handler, in whatever version it is read.

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

#[handler]
async fn refund_old(_: RefundAskedV1) {}

#[handler]
async fn refund(_: RefundAsked) {}

service! {
    pub Billing = "billing" { handles: [refund_old, refund] }
}

fn main() {}
