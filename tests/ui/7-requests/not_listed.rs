//! A service lists what it requests.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent] }
}

fn ask(bus: &typebus::Bus<Storefront>) {
    let _ = bus.request(&GetQuote {});
}

fn main() {}
