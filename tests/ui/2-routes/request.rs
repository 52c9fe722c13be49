//! A topic receives the request that its handler answers.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

#[handler(topic = "shop.prices")]
async fn quote(_: GetQuote) -> Quote {
    Quote {}
}

fn main() {}
