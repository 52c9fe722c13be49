//! A handler of the older version does not handle the newer one.

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
async fn refund(_: RefundAskedV1) {}

service! {
    pub Storefront = "storefront" { publishes: [RefundAskedV1, RefundAsked] }
}

service! {
    pub Billing = "billing" { handles: [refund] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
