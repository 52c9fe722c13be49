//! An event's name is made of letters, digits, `.`, `_` and `-`.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order placed")]
pub struct OrderPlaced;

fn main() {}
