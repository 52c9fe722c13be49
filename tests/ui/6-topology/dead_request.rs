//! A request that a service answers, somebody makes.

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

service! {
    pub Prices = "prices" { handles: [quote] }
}

topology! {
    pub Shop = [Prices];
}

fn main() {}
