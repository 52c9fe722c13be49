//! An argument of an event that is misspelt has a suggestion.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.shipments", reploy = u64)]
pub struct OrderShipped;

fn main() {}
