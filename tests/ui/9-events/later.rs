//! Some arguments come in a later version.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders", reply = OrderAccepted)]
pub struct OrderPlaced;

fn main() {}
