//! An event owns its data.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders")]
pub struct OrderPlaced<'a> {
    pub order_id: &'a str,
}

fn main() {}
