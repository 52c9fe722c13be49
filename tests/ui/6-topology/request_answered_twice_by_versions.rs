//! One request is answered by one service, in whichever version it is asked.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "get.quote", reply = u32)]
pub struct GetQuoteV1;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "get.quote", version = 2, reply = u32, upcasts(GetQuoteV1))]
pub struct GetQuote;

impl From<GetQuoteV1> for GetQuote {
    fn from(_: GetQuoteV1) -> Self {
        Self
    }
}

#[handler]
async fn quote(_: GetQuote) -> u32 {
    1
}

#[handler]
async fn guess(_: GetQuoteV1) -> u32 {
    2
}

service! {
    pub Storefront = "storefront" { publishes: [GetQuoteV1] }
}

service! {
    pub Prices = "prices" { handles: [quote] }
}

service! {
    pub Guesses = "guesses" { handles: [guess] }
}

topology! {
    pub Shop = [Storefront, Prices, Guesses];
}

fn main() {}
