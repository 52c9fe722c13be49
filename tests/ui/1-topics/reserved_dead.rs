//! Topics that begin with `dead` are for dead letters.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "dead.orders")]
pub struct OrderPlaced;

fn main() {}
