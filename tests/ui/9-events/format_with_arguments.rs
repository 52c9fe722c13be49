//! A codec is named by its path alone.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.shipments", format = Codec::new())]
pub struct OrderShipped;

fn main() {}
