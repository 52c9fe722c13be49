//! Arguments stand in parentheses.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event = "shop.orders"]
pub struct OrderPlaced;

fn main() {}
