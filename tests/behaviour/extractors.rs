//! What a handler may ask for, and what the envelope says.

use std::time::Duration;

use typebus::{
    FromDelivery, Incoming,
    backend::{Attribute, Header},
    prelude::*,
};
use typebus_tests::{Cancelled, Paid, Placed, Seen, Shipped, broker, caught_up, start, utc_now};

struct Greeting(String);
struct Secret(#[allow(dead_code, reason = "it is there to be not shown")] &'static str);

#[derive(Clone, Default)]
struct Said(Seen<String>);

#[handler]
async fn greet(order: Placed, secret: State<Secret>, said: State<Said>, greeting: State<Greeting>) {
    said.0.push(format!("{}, {}! {secret:?}", greeting.0, order.customer));
}

service! { Greeter = "greeter" { handles: [greet], publishes: [Placed], state: [Said, Greeting, Secret] } }

#[tokio::test(start_paused = true)]
async fn state_is_found_by_its_type_and_shown_by_its_type_alone() {
    let said = Said::default();
    let state = (said.clone(), Greeting("Hello".into()), Secret("hunter2"));
    let bus = Bus::<Greeter>::builder().state(state).connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    start(&bus).await;
    let [text] = &said.0.all()[..] else { panic!("{said:?}", said = said.0) };
    assert!(text.starts_with("Hello, ann! State<") && text.contains("Secret"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_handler_is_a_function_that_can_be_called() {
    let said = Said::default();
    let order = Placed { number: 1, customer: "bob".into() };
    greet(order, Secret("x").into(), said.clone().into(), Greeting("Hi".into()).into()).await;
    assert!(said.0.all()[0].starts_with("Hi, bob!"));
    assert_eq!((Attempt::new(2, 3).number(), Attempt::new(3, 3).is_last()), (2, true));
    assert_eq!(Batch::from(vec![1, 2]).len(), 2);
}

/// Everything on the wire, as an extractor sees it.
struct Wire(Vec<(String, String)>, usize);

impl FromDelivery for Wire {
    type Needs = ();
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Failure> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = incoming.message().headers().map(|header| match header {
            Header::Attribute(attribute, value) => (format!("ce:{}", attribute.name()), text(value)),
            Header::Plain(name, value) => (text(name), text(value)),
        });
        assert_eq!(
            (incoming.name(), incoming.version(), incoming.topic()),
            (Some("order.placed"), 1, "shop.orders")
        );
        Ok(Self(headers.collect(), incoming.payload().len()))
    }
}

#[derive(Clone, Default)]
struct Wires(Seen<(Vec<(String, String)>, usize)>);

#[handler]
async fn look(_: Placed, wire: Wire, wires: State<Wires>) {
    wires.0.push((wire.0, wire.1));
}

service! { Looker = "looker" { handles: [look], publishes: [Placed], state: [Wires] } }

#[tokio::test(start_paused = true)]
async fn the_envelope_is_cloudevents_in_binary_mode() {
    let wires = Wires::default();
    let bus = Bus::<Looker>::builder().state(wires.clone()).connect("memory:").await.unwrap();
    // The clock of the kernel's ticks is at most 10 ms behind.
    let before = utc_now().timestamp_millis() - 10;
    let receipt =
        bus.publish(&Placed { number: 1, customer: "ann".into() }).header("channel", "web").await.unwrap();
    let after = utc_now().timestamp_millis();
    start(&bus).await;
    let (headers, payload) = wires.0.all().remove(0);
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected =
        ["ce:datacontenttype", "ce:id", "ce:source", "ce:specversion", "ce:time", "ce:type", "channel"];
    assert_eq!(names, expected);
    let value = |name: &str| headers.iter().find(|(found, _)| found == name).unwrap().1.as_str();
    assert_eq!((value("ce:specversion"), value("ce:type")), ("1.0", "order.placed.v1"));
    assert_eq!((value("ce:source"), value("ce:datacontenttype")), ("looker", "application/json"));
    assert_eq!((value("ce:id"), value("channel")), (receipt.id(), "web"));
    let time = chrono::DateTime::parse_from_rfc3339(value("ce:time")).unwrap();
    assert!(value("ce:time").ends_with('Z') && (before..=after).contains(&time.timestamp_millis()), "{time}");
    assert_eq!(payload, r#"{"number":1,"customer":"ann"}"#.len());
    assert_eq!(Attribute::from_name(b"type"), Some(Attribute::Type));
}

#[derive(Clone, Default)]
struct Cards(Seen<Card>);

#[derive(Debug, Clone, PartialEq)]
struct Card {
    metadata: Metadata2,
    headers: Vec<(String, String)>,
}

/// What `Metadata` says, to be compared.
#[derive(Debug, Clone, PartialEq)]
struct Metadata2(
    String,
    Option<uuid::Uuid>,
    String,
    u16,
    String,
    Option<String>,
    String,
    Option<u32>,
    String,
);

#[handler]
async fn card(order: Envelope<Placed>, metadata: Metadata, cards: State<Cards>) {
    assert_eq!(order.metadata.id(), metadata.id());
    let headers = metadata.headers().map(|(name, value)| {
        (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
    });
    let headers = headers.collect();
    assert_eq!((metadata.header("channel"), metadata.header("none")), (Some("app"), None));
    assert!((utc_now() - metadata.time().unwrap()).num_seconds() < 60);
    let said = Metadata2(
        metadata.id().to_owned(),
        metadata.uuid(),
        metadata.name().to_owned(),
        metadata.version(),
        metadata.source().to_owned(),
        metadata.key().map(ToOwned::to_owned),
        metadata.topic().to_owned(),
        metadata.partition(),
        metadata.position().unwrap().to_string(),
    );
    cards.0.push(Card { metadata: said, headers });
}

service! { Carder = "carder" { handles: [card], publishes: [Placed], state: [Cards] } }

#[tokio::test(start_paused = true)]
async fn metadata_tells_everything_that_is_known() {
    let cards = Cards::default();
    let bus = Bus::<Carder>::builder().state(cards.clone()).connect("memory:").await.unwrap();
    let order = Placed { number: 1, customer: "ann".into() };
    let receipt =
        bus.publish(&order).key("other key").header("channel", "web").header("channel", "app").await.unwrap();
    start(&bus).await;
    let Card { metadata, headers } = cards.0.all().remove(0);
    let id = receipt.id().to_owned();
    let uuid = uuid::Uuid::parse_str(&id).ok();
    assert!(uuid.is_some());
    let (partition, position) = (receipt.partition(), receipt.position().unwrap().to_string());
    let key = Some("other key".to_owned());
    let topic = "shop.orders".to_owned();
    let expected =
        Metadata2(id, uuid, "order.placed".into(), 1, "carder".into(), key, topic, partition, position);
    assert_eq!(metadata, expected);
    let pair = |value: &str| ("channel".to_owned(), value.to_owned());
    assert_eq!(headers, [pair("web"), pair("app")]);
}

#[derive(EventSet)]
enum Outcome {
    Paid(Paid),
    Cancelled(Cancelled),
}

/// Publishers for an event, a set and a tuple, used from a task of its own and by a clone too.
#[handler]
async fn announce(
    order: Placed,
    one: Publisher<Shipped>,
    set: Publisher<Outcome>,
    pair: Publisher<(Paid, Cancelled)>,
) {
    let number = order.number;
    let first = one.publish(&Shipped { number }).await.unwrap();
    assert_eq!(first.topic(), "shop.parcels");
    set.publish(&Outcome::Paid(Paid { number, customer: None })).await.unwrap();
    set.publish(&Outcome::Cancelled(Cancelled { number, customer: "c".into() })).key("k").await.unwrap();
    let clone = pair.clone();
    let other = tokio::spawn(async move { clone.publish(&Paid { number, customer: None }).await });
    pair.publish(&Cancelled { number, customer: "c".into() }).header("a", "b").await.unwrap();
    other.await.unwrap().unwrap();
    let wrong = pair.publish(&Paid { number, customer: Some(String::new()) }).await.unwrap_err();
    assert_eq!(wrong.kind(), typebus::ErrorKind::InvalidKey);
}

service! { Crier = "crier" { handles: [announce], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn publishers_publish_midway() {
    let bus = Bus::<Crier>::builder().connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    let running = start(&bus).await;
    let published: Vec<_> = running.stats().published().map(|(t, n)| (t.to_owned(), n)).collect();
    let expected = [("dead.crier", 0), ("shop.orders", 3), ("shop.parcels", 1), ("shop.payments", 2)];
    assert_eq!(published, expected.map(|(topic, count)| (topic.to_owned(), count)));
    let stats = running.stats();
    assert_eq!((stats.groups()[0].handled, stats.groups()[0].retried), (1, 0));
}

#[handler(retry(attempts = 3, backoff = "1ms..1ms"))]
async fn count(_: Placed, attempt: Attempt, said: State<Said>) -> Result<(), Failure> {
    said.0.push(format!("{attempt:?} {}", attempt.is_last()));
    Err(Failure::retry("again"))
}

service! { Counter = "counter" { handles: [count], publishes: [Placed], state: [Said] } }

#[tokio::test(start_paused = true)]
async fn an_attempt_knows_its_number_and_whether_it_is_the_last() {
    let said = Said::default();
    let bus = Bus::<Counter>::builder().state(said.clone()).connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    start(&bus).await;
    let expected = [1, 2, 3].map(|n| format!("Attempt {{ number: {n}, max: 3 }} {}", n == 3));
    assert_eq!(said.0.all(), expected);
}

#[handler]
async fn long(_: Placed, mut shutdown: Shutdown, said: State<Said>) -> Shipped {
    said.0.push(format!("requested: {}", shutdown.requested()));
    shutdown.wait().await;
    said.0.push(format!("requested: {}", shutdown.requested()));
    // Still within the drain.
    tokio::time::sleep(Duration::from_secs(19)).await;
    Shipped { number: 1 }
}

service! { Long = "long" { handles: [long], publishes: [Placed], state: [Said] } }

#[tokio::test(start_paused = true)]
async fn a_long_handler_hears_of_the_shutdown_and_may_finish() {
    let (url, said) = (broker(), Said::default());
    let bus = Bus::<Long>::builder().state(said.clone()).connect(&url).await.unwrap();
    bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    let running = bus.start().await.unwrap();
    said.0.reached(1).await;
    running.stop().await.unwrap();
    assert_eq!(said.0.all(), ["requested: false", "requested: true"]);
    let published: Vec<_> = running.stats().published().map(|(t, n)| (t.to_owned(), n)).collect();
    assert!(published.contains(&("shop.parcels".to_owned(), 1)), "{published:?}");

    let again = Bus::<Long>::builder().state(said.clone()).connect(&url).await.unwrap();
    caught_up(&again.start().await.unwrap()).await;
    assert_eq!(said.0.count(), 2, "what was finished in the drain does not come again");
}
