//! An event has a schema.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event(topic = "shop.orders")]
pub struct OrderPlaced;

fn main() {}
