//! A topic that is longer than a name may be cannot be the event's name too.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "a123456789b123456789c123456789d123456789e123456789f123456789g123456789h123456789i123456789j123456789k")]
pub struct OrderPlaced;

fn main() {}
