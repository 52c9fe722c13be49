//! An older version is an event.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", version = 2, upcasts(Plain))]
pub struct RefundAsked {}

impl From<Plain> for RefundAsked {
    fn from(_: Plain) -> Self {
        Self {}
    }
}

fn main() {}
