//! An event is no older version of `Self`.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", version = 2, upcasts(Self))]
pub struct RefundAsked {}

fn main() {}
