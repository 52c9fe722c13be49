//! An event can be made from its older version.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked")]
pub struct RefundAskedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked", version = 2, upcasts(RefundAskedV1))]
pub struct RefundAsked {}

fn main() {}
