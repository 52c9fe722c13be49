//! An event is published on an exact topic.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.*")]
pub struct OrderPlaced;

fn main() {}
