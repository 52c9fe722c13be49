//! An event whose topic has a field has a name.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{tenant}.orders")]
pub struct OrderShipped {
    pub tenant: String,
}

fn main() {}
