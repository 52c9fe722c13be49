//! An older version of a request is a request.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "quote.wanted")]
pub struct GetQuoteV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "quote.wanted", version = 2, upcasts(GetQuoteV1), reply = Quote)]
pub struct GetQuote {}

impl From<GetQuoteV1> for GetQuote {
    fn from(_: GetQuoteV1) -> Self {
        Self {}
    }
}


fn main() {}
