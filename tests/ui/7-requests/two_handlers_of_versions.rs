//! A request has one handler, in whatever version it is read.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "quote.wanted", reply = Quote)]
pub struct GetQuoteV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "quote.wanted", version = 2, upcasts(GetQuoteV1), reply = Quote)]
pub struct GetQuote {}

impl From<GetQuoteV1> for GetQuote {
    fn from(_: GetQuoteV1) -> Self {
        Self {}
    }
}

#[handler]
async fn quote(_: GetQuote) -> Quote {
    Quote {}
}

#[handler(group = "guesses")]
async fn guess(_: GetQuoteV1) -> Quote {
    Quote {}
}

service! {
    pub Prices = "prices" { handles: [quote, guess] }
}

fn main() {}
