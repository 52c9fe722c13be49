//! An older version exists.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", version = 2, upcasts(RefundAskedV1))]
pub struct RefundAsked {}

fn main() {}
