//! Everything that is wrong with the older versions of an event.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.wanted")]
pub struct RefundWanted {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.returns", name = "refund.asked")]
pub struct RefundAskedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked", version = 2)]
pub struct RefundAskedV2 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked", version = 2, upcasts(RefundWanted, RefundAskedV1, RefundAskedV2))]
pub struct RefundAsked {}

impl From<RefundWanted> for RefundAsked {
    fn from(_: RefundWanted) -> Self {
        Self {}
    }
}

impl From<RefundAskedV1> for RefundAsked {
    fn from(_: RefundAskedV1) -> Self {
        Self {}
    }
}

impl From<RefundAskedV2> for RefundAsked {
    fn from(_: RefundAskedV2) -> Self {
        Self {}
    }
}

fn main() {}
