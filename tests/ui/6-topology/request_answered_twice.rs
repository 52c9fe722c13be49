//! A request is answered by one service.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

#[handler]
async fn quote(_: GetQuote) -> Quote {
    Quote {}
}

#[handler]
async fn guess(_: GetQuote) -> Quote {
    Quote {}
}

service! {
    pub Storefront = "storefront" { publishes: [GetQuote] }
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
