//! A reply is a type that exists.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

fn main() {}
