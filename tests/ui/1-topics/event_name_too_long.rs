//! An event's name has at most 100 characters.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", name = "a123456789b123456789c123456789d123456789e123456789f123456789g123456789h123456789i123456789j123456789k")]
pub struct OrderPlaced;

fn main() {}
