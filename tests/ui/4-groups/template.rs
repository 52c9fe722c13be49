//! Two topics with fields can be one topic.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}", name = "tenant.closed")]
pub struct TenantClosed {
    pub tenant: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{area}.refunds", name = "refund.asked")]
pub struct RefundAsked {
    pub area: String,
}

#[handler]
async fn close(_: TenantClosed) {}

#[handler]
async fn refund(_: RefundAsked) {}

service! {
    pub Billing = "billing" { handles: [close, refund] }
}

fn main() {}
