//! A service lists what it requests, even what its handlers return.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

#[handler]
async fn ask(_: OrderPlaced) -> GetQuote {
    GetQuote {}
}

service! {
    pub Storefront = "storefront" { handles: [ask] }
}

async fn ask_again(bus: &typebus::Bus<Storefront>) -> typebus::Result<Quote> {
    bus.request(&GetQuote {}).await
}

fn main() {}
