//! A format is known.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", format = "jsn")]
pub struct OrderPlaced;

fn main() {}
