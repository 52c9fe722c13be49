//! A topic has at least one token.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "")]
pub struct OrderPlaced;

fn main() {}
