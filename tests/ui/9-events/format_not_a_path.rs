//! A format is a string or a path.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.shipments", format = 5)]
pub struct OrderShipped;

fn main() {}
