//! Some formats come in a later version.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", format = "cbor")]
pub struct OrderPlaced;

fn main() {}
