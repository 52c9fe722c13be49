//! What is written as MessagePack is written and read by serde.
use typebus::prelude::*;

#[derive(serde::Serialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", format = "msgpack")]
pub struct OrderPlaced;

fn main() {}
