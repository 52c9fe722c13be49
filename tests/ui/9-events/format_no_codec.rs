//! A format without quotes is a codec.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.shipments", format = Plain)]
pub struct OrderShipped {
    pub tenant: String,
}

fn main() {}
