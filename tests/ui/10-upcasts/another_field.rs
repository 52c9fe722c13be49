//! An older version has the same fields in its topic.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.refunds", name = "refund.asked")]
pub struct RefundAskedV1 {
    pub tenant: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{customer}.refunds", name = "refund.asked", version = 2, upcasts(RefundAskedV1))]
pub struct RefundAsked {
    pub customer: String,
}

impl From<RefundAskedV1> for RefundAsked {
    fn from(old: RefundAskedV1) -> Self {
        Self { customer: old.tenant }
    }
}


fn main() {}
