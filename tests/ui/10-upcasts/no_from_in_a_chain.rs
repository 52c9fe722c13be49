//! An event can be made from each version that it names.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds")]
pub struct RefundAskedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", version = 2, upcasts(RefundAskedV1))]
pub struct RefundAskedV2 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", version = 3, upcasts(RefundAskedV2, RefundAskedV1))]
pub struct RefundAsked {}

impl From<RefundAskedV1> for RefundAskedV2 {
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
