//! What a pattern brings may be a request.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

#[handler(topic = "shop.*")]
async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge], publishes: [GetQuote] }
}

fn main() {}
