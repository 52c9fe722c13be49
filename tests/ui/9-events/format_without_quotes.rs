//! A format of typebus' own stands in quotes.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.shipments", format = json)]
pub struct OrderShipped;

fn main() {}
