//! Codecs come in a later version.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", format = codecs::Protobuf)]
pub struct OrderPlaced;

fn main() {}
