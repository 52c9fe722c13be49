//! Without fields there is no key.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", id = order_id)]
pub struct Refunded;

fn main() {}
