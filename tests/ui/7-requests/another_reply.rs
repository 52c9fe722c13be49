//! What comes back is the reply.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

service! {
    pub Storefront = "storefront" { publishes: [GetQuote] }
}

async fn ask(bus: &typebus::Bus<Storefront>) -> typebus::Result<OrderPlaced> {
    bus.request(&GetQuote {}).await
}

fn main() {}
