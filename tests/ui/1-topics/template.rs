//! Templates are for a later version.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "{tenant}.orders")]
pub struct OrderPlaced {
    pub tenant: String,
}

fn main() {}
