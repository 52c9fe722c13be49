//! Which version a message is taken for, and by which way it becomes the newest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{prelude::*, testing::Foreign};
use typebus_tests::{Ends, Seen, broker, ends, start};

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.stock", name = "stock", version = 2)]
struct StockV2 {
    two: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.stock", name = "stock", version = 4, upcasts(StockV2))]
struct StockV4 {
    four: String,
}

/// Has a way of its own from each; the first that it names was made from the second, too.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.stock", name = "stock", version = 5, upcasts(StockV4, StockV2))]
struct Stock {
    way: String,
}

impl From<StockV2> for StockV4 {
    fn from(old: StockV2) -> Self {
        Self { four: format!("{}-4", old.two) }
    }
}

impl From<StockV4> for Stock {
    fn from(old: StockV4) -> Self {
        Self { way: format!("{}-5", old.four) }
    }
}

impl From<StockV2> for Stock {
    fn from(old: StockV2) -> Self {
        Self { way: format!("{}-5", old.two) }
    }
}

/// The version that arrived, and what became of it.
type Ways = Seen<(u16, String)>;

#[handler]
async fn stock(stock: Stock, metadata: Metadata, ways: State<Ways>) {
    ways.push((metadata.version(), stock.way));
}

#[handler(topic = "shop.>", group = "audit")]
async fn audit(event: AnyEvent, ways: State<Ways>) -> Result<(), Failure> {
    let stock: Stock = event.decode()?;
    ways.push((event.version(), stock.way));
    Ok(())
}

service! { Typed = "typed" { handles: [stock], publishes: [Stock], state: [Ways] } }
service! { Untyped = "untyped" { handles: [audit], publishes: [Stock], state: [Ways] } }

/// Versions 2, 4 and 5 as they say, and version 2 without a word.
async fn send(url: &str) {
    let foreign = Foreign::connect(url).unwrap();
    let stock = || foreign.message("shop.stock").key("one");
    for (kind, payload) in
        [("stock.v2", r#"{"two":"2"}"#), ("stock.v4", r#"{"four":"4"}"#), ("stock.v5", r#"{"way":"5"}"#)]
    {
        stock().header("ce_type", kind).payload(payload).send().await.unwrap();
    }
    stock().payload(r#"{"two":"?"}"#).send().await.unwrap();
}

fn expected() -> Vec<(u16, String)> {
    [(2, "2-5"), (4, "4-5"), (5, "5"), (2, "?-5")].map(|(version, way)| (version, way.to_owned())).to_vec()
}

#[tokio::test(start_paused = true)]
async fn of_several_ways_the_shortest_is_taken() {
    let (url, ways) = (broker(), Ways::default());
    let bus = Bus::<Typed>::builder().state(ways.clone()).connect(&url).await.unwrap();
    send(&url).await;
    let running = start(&bus).await;
    assert_eq!(ways.all(), expected());
    assert_eq!(ends(&running), Ends { handled: 4, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn any_event_is_in_the_version_that_a_handler_of_the_event_would_take_it_for() {
    let (url, ways) = (broker(), Ways::default());
    let bus = Bus::<Untyped>::builder().state(ways.clone()).connect(&url).await.unwrap();
    send(&url).await;
    let running = start(&bus).await;
    assert_eq!(ways.all(), expected());
    assert_eq!(ends(&running), Ends { handled: 4, ..Ends::NONE });
}
