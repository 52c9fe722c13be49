//! A request that a service publishes is answered by another.

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

topology! {
    pub Shop = [Storefront];
}

fn main() {}
