//! Tokens are joined by one dot.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop..orders")]
pub struct OrderPlaced;

fn main() {}
