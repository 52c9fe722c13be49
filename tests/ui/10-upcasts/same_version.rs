//! An older version has a lower number, and no equal one.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked")]
pub struct RefundAskedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked", upcasts(RefundAskedV1))]
pub struct RefundAsked {}

impl From<RefundAskedV1> for RefundAsked {
    fn from(_: RefundAskedV1) -> Self {
        Self {}
    }
}

fn main() {}
