//! Topics that begin with `reply` are for replies.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "reply.orders")]
pub struct OrderPlaced;

fn main() {}
