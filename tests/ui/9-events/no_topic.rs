//! An event has a topic.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
pub struct OrderPlaced;

fn main() {}
