//! An event does not lead to its own older version.

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
async fn refund(_: RefundAsked) -> Option<RefundAskedV1> {
    None
}

service! {
    pub Billing = "billing" { handles: [refund] }
}

topology! {
    pub Shop = [Billing];
}

fn main() {}
