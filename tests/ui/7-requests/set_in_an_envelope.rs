//! A request is answered alone, not in a set that an envelope holds.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

#[derive(EventSet)]
pub enum Asked {
    Quote(GetQuote),
    Order(OrderPlaced),
}

#[handler]
async fn answer(_: Envelope<Asked>) {}

fn main() {}
