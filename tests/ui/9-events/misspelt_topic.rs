//! A topic that is misspelt is not also missing.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topc = "shop.orders")]
pub struct OrderPlaced;

fn main() {}
