//! Versions count from 1.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", version = 0)]
pub struct OrderPlaced;

fn main() {}
