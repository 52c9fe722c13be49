//! An event can be written and read.
use typebus::prelude::*;

#[derive(serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders")]
pub struct OrderPlaced;

fn main() {}
