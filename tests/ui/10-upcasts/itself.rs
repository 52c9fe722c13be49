//! An event is no older version of itself.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", version = 2, upcasts(RefundAsked))]
pub struct RefundAsked {}

fn main() {}
