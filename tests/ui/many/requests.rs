//! Everything that is wrong with the requests of a program.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Quote {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", reply = Quote)]
pub struct GetQuote {}

#[handler]
async fn quote(_: GetQuote) -> Option<Quote> {
    None
}

#[handler(group = "log")]
async fn log(_: Batch<GetQuote>) {}

service! {
    pub Prices = "prices" { handles: [quote], publishes: [InvoiceSent] }
}

fn ask(bus: &typebus::Bus<Prices>) {
    let _ = bus.request(&GetQuote {});
    let _ = bus.request(&InvoiceSent);
}

fn main() {}
