//! A reply can be written and read and has a schema.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Plain)]
pub struct GetQuote {}

fn main() {}
