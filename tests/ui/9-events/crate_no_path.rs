//! The runtime of an event is named by a path.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.shipments", crate = "typebus")]
pub struct OrderShipped;

fn main() {}
