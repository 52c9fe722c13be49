//! A request and its older version are both requests.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "get.quote")]
pub struct GetQuoteV1;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "get.quote", version = 2, reply = u64, upcasts(GetQuoteV1))]
pub struct GetQuote;

impl From<GetQuoteV1> for GetQuote {
    fn from(_: GetQuoteV1) -> Self {
        Self
    }
}

fn main() {}
