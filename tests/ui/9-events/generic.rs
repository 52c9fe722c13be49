//! An event is not generic.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.orders")]
pub struct OrderPlaced<T> {
    pub order: T,
}

fn main() {}
