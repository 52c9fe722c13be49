//! A handler of an event that is no request returns no reply.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

#[handler]
async fn charge(_: OrderPlaced) -> Quote {
    Quote {}
}

fn main() {}
