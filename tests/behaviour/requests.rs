//! Requests: what this version refuses, and what it allows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{ErrorKind, prelude::*};
use typebus_tests::{Seen, Shipped, start};

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "prices.quotes", reply = Quote)]
struct GetQuote {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Quote {
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "prices.{shop}.stock", name = "stock.asked", reply = Option<u32>)]
struct GetStock {
    shop: String,
}

#[handler]
async fn quote(asked: GetQuote) -> Quote {
    Quote { cents: asked.number }
}

#[handler(group = "stock")]
async fn stock(_: Envelope<GetStock>) -> Result<Option<u32>, Failure> {
    Ok(None)
}

#[handler]
async fn fine(_: Shipped) {}

service! {
    Answering = "answering" { handles: [fine, quote, stock], publishes: [GetQuote, GetStock] }
}

#[tokio::test]
async fn handlers_of_requests_are_refused_at_start_up_all_of_them() {
    let error = Bus::<Answering>::builder().connect("memory:").await.unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Config, Some("memory")));
    let expected =
        [("handler `quote`", "GetQuote is a request"), ("handler `stock`", "GetStock is a request")];
    assert_eq!(error.problems().len(), expected.len(), "{error}");
    for (problem, (place, text)) in error.problems().iter().zip(expected) {
        assert_eq!(problem.place(), place);
        assert!(problem.message().contains(text), "{problem}");
    }
}

/// What an auditor makes of requests.
#[derive(Clone, Default)]
struct Lines(Seen<String>);

#[handler(topic = "prices.>")]
async fn audit(event: AnyEvent, lines: State<Lines>) {
    lines.0.push(format!("{} {}", event.name(), event.is::<GetQuote>()));
}

service! { Asking = "asking" { handles: [audit], publishes: [GetQuote, GetStock], state: [Lines] } }

#[tokio::test]
async fn a_request_is_answered_with_unsupported_by_the_name_of_the_backend() {
    let lines = Lines::default();
    let bus = Bus::<Asking>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    let error = bus.request(&GetQuote { number: 1 }).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.backend(), error.operation()),
        (ErrorKind::Unsupported, Some("memory"), "request")
    );
    let text = error.to_string();
    assert!(text.contains("memory") && text.contains("later version"), "{text}");
    let error = bus.request(&GetStock { shop: "acme".into() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    start(&bus).await;
    assert_eq!(lines.0.count(), 0, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_request_can_be_published_like_any_event() {
    let lines = Lines::default();
    let bus = Bus::<Asking>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    assert_eq!(bus.publish(&GetQuote { number: 1 }).await.unwrap().topic(), "prices.quotes");
    let receipt = bus.publish(&GetStock { shop: "acme".into() }).await.unwrap();
    assert_eq!(receipt.topic(), "prices.acme.stock");
    start(&bus).await;
    assert_eq!(lines.0.sorted(), ["prices.quotes true", "stock.asked false"]);
}
