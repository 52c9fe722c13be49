//! A request's handler returns its reply, or a `Result` of it, and may be as private as it likes.

#[path = "../common.rs"]
mod common;

use common::*;

use typebus::{Event, Service};

mod prices {
    use super::common::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Quote {
        pub(crate) cents: u64,
    }

    // More visible than its reply.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "prices.quotes", key = sku, reply = Quote)]
    pub struct GetQuote {
        pub(crate) sku: String,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "prices.stock", reply = Option<u32>)]
    pub struct GetStock {}
}

use prices::{GetQuote, GetStock, Quote};

#[handler]
async fn quote(get: Envelope<GetQuote>) -> Result<Quote, Failure> {
    Ok(Quote { cents: get.event.sku.len() as u64 })
}

#[handler]
async fn stock(_: GetStock) -> Option<u32> {
    None
}

#[handler(group = "audit", topic = "prices.>")]
async fn audit(_: AnyEvent) {}

service! {
    pub Prices = "prices" { handles: [quote, stock, audit] }
}

service! {
    pub Storefront = "storefront" { publishes: [GetQuote, GetStock] }
}

topology! {
    pub Shop = [Storefront, Prices];
}

async fn ask(bus: &Bus<Storefront>) -> typebus::Result<Quote> {
    let stock: typebus::Result<Option<u32>> = bus.request(&GetStock {}).await;
    let _ = stock;
    bus.request(&GetQuote { sku: "x".into() }).await
}

fn main() {
    let _ = ask;
    assert_eq!(GetQuote::DESCRIPTOR.reply(), Some("Quote"));
    assert_eq!(GetStock::DESCRIPTOR.reply(), Some("Option<u32>"));
    // A reply is no event: nothing of it is published.
    assert!(Prices::DESCRIPTOR.all_published().next().is_none());
}
