//! A codec exists.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.shipments", format = codecs::Protobuf)]
pub struct OrderShipped;

fn main() {}
