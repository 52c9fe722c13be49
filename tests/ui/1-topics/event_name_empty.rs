//! An event's name is not empty.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", name = "")]
pub struct OrderPlaced;

fn main() {}
