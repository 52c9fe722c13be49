//! Ids: who gives them, that a repeat gives the same ones, and what flows from a cause to what it causes.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use typebus::{backend::Publishing, prelude::*, testing::Foreign};
use typebus_tests::{Invoiced, Paid, Placed, Seen, Shipped, broker, caught_up, patiently, start};
use uuid::Uuid;

use crate::wrapped::Wrapped;

/// The documented namespace of derived ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x7479_7065_6275_7300_8000_6576_656e_7473);

/// UUIDv5 over length-prefixed fields: group, handler, source and id of the cause, perhaps a role, index.
fn derived(fields: &[&str], index: u32) -> String {
    let mut name = Vec::new();
    for field in fields.iter().map(|field| field.as_bytes()).chain([index.to_be_bytes().as_slice()]) {
        name.extend((field.len() as u64).to_be_bytes());
        name.extend(field);
    }
    Uuid::new_v5(&NAMESPACE, &name).to_string()
}

/// What is known of an event that arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    name: String,
    id: String,
    correlation: Option<String>,
    causation: Option<String>,
    trace: Option<String>,
}

#[derive(Clone, Default)]
struct Events(Seen<Known>);

impl Events {
    fn named(&self, name: &str) -> Vec<Known> {
        self.0.all().into_iter().filter(|known| known.name == name).collect()
    }

    fn ids(&self, name: &str) -> Vec<String> {
        self.named(name).into_iter().map(|known| known.id).collect()
    }
}

/// Notes everything.
#[handler(topic = "shop.*", group = "notary")]
async fn witness(event: AnyEvent, events: State<Events>) {
    let metadata = event.metadata();
    let text = |text: Option<&str>| text.map(ToOwned::to_owned);
    events.0.push(Known {
        name: event.name().to_owned(),
        id: metadata.id().to_owned(),
        correlation: text(metadata.correlation_id()),
        causation: text(metadata.causation_id()),
        trace: text(metadata.traceparent()),
    });
}

service! { Notary = "notary" { handles: [witness], state: [Events] } }

#[handler(retry(attempts = 3, backoff = "1ms..1ms"))]
async fn pay(
    order: Placed,
    attempt: Attempt,
    bills: Publisher<Invoiced>,
    parcels: Publisher<(Shipped, Paid)>,
) -> Result<(Option<Shipped>, Vec<Paid>, Invoiced), Failure> {
    let (number, customer) = (order.number, Some(order.customer.clone()));
    // Three midway, over two publishers, and then, at first, nothing.
    parcels.publish(&Shipped { number }).await?;
    bills.publish(&Invoiced { invoice: format!("midway-{number}") }).await?;
    parcels.publish(&Paid { number, customer: customer.clone() }).await?;
    if attempt.number() < 3 {
        return Err(Failure::retry("not yet"));
    }
    let paid = Paid { number, customer };
    Ok((
        Some(Shipped { number }),
        vec![paid.clone(), paid],
        Invoiced { invoice: format!("invoice-{number}") },
    ))
}

service! { Desk = "desk" { handles: [pay], publishes: [Placed, Invoiced] } }

#[tokio::test(start_paused = true)]
async fn derived_ids_are_the_documented_ones_and_a_repeat_gives_them_again() {
    let (url, events) = (broker(), Events::default());
    let notary = Bus::<Notary>::builder().state(events.clone()).connect(&url).await.unwrap();
    let desk = Bus::<Desk>::builder().connect(&url).await.unwrap();
    desk.publish(&Placed { number: 7, customer: "ann".into() }).id("order-7").await.unwrap();
    start(&desk).await;
    start(&notary).await;

    let mid = |index| derived(&["desk", "pay", "desk", "order-7", "mid"], index);
    let returned = |index| derived(&["desk", "pay", "desk", "order-7"], index);
    // Of the three attempts each published midway; what was returned is numbered flat over the whole tuple. The nth
    // call is the nth, whichever publisher it goes through, and what declares its id keeps it.
    assert_eq!(events.ids("parcel.sent"), [mid(0), mid(0), mid(0), returned(0)]);
    let mut paid = events.ids("payment.made");
    paid.sort();
    let mut expected = vec![mid(2), mid(2), mid(2), returned(1), returned(2)];
    expected.sort();
    assert_eq!(paid, expected);
    let mut invoices = events.ids("invoice.written");
    invoices.sort();
    assert_eq!(invoices, ["invoice-7", "midway-7", "midway-7", "midway-7"]);
    for known in events.0.all().iter().filter(|known| known.name != "order.placed") {
        assert_eq!(known.causation.as_deref(), Some("order-7"), "{known:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_id_wins_over_a_drawn_one_and_a_given_one_over_both() {
    let bus = Bus::<Desk>::builder().connect("memory:").await.unwrap();
    let invoice = Invoiced { invoice: "2026-1".into() };
    assert_eq!(bus.publish(&invoice).await.unwrap().id(), "2026-1");
    assert_eq!(bus.publish(&invoice).id("given").await.unwrap().id(), "given");
    let order = Placed { number: 1, customer: "c".into() };
    assert_eq!(bus.publish(&order).id("größe 1").await.unwrap().id(), "größe 1");
    let mut drawn = Vec::new();
    for _ in 0..100 {
        let id = Uuid::parse_str(bus.publish(&order).await.unwrap().id()).unwrap();
        assert_eq!(id.get_version_num(), 7);
        drawn.push(id);
    }
    drawn.sort();
    drawn.dedup();
    assert_eq!(drawn.len(), 100);
    for empty in [bus.publish(&order).id(""), bus.publish(&Invoiced { invoice: String::new() })] {
        assert_eq!(empty.await.unwrap_err().kind(), typebus::ErrorKind::Encode);
    }
}

#[handler]
async fn ship(paid: Paid, parcels: Publisher<Shipped>) {
    let parcel = parcels.publish(&Shipped { number: paid.number });
    parcel.header("traceparent", OTHER_TRACE).await.unwrap();
}

#[handler]
async fn book(order: Placed) -> Paid {
    Paid { number: order.number, customer: Some(order.customer) }
}

/// Publishes through the bus in its state, as any program may.
#[handler(group = "aside")]
async fn aside(_: Placed, bus: State<Announcing>) {
    bus.0.publish(&Invoiced { invoice: "aside".into() }).await.unwrap();
}

#[derive(Clone)]
struct Announcing(Bus<Announcer>);

service! { Announcer = "announcer" { publishes: [Invoiced] } }

service! { Chain = "chain" { handles: [book, ship, aside], publishes: [Placed], state: [Announcing] } }

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER_TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

#[tokio::test(start_paused = true)]
async fn correlation_causation_and_trace_flow_through_what_handlers_publish() {
    let (url, events) = (broker(), Events::default());
    let notary = Bus::<Notary>::builder().state(events.clone()).connect(&url).await.unwrap();
    let announcer = Bus::<Announcer>::builder().connect(&url).await.unwrap();
    let bus = Bus::<Chain>::builder().state(Announcing(announcer)).connect(&url).await.unwrap();
    let order = Placed { number: 1, customer: "ann".into() };
    bus.publish(&order).id("first").header("traceparent", TRACE).await.unwrap();
    let running = start(&bus).await;
    caught_up(&running).await;
    let noted = start(&notary).await;

    let one = |name: &str| {
        let named = events.named(name);
        assert_eq!(named.len(), 1, "{name}: {named:?}");
        named[0].clone()
    };
    let (placed, paid, sent, aside) =
        (one("order.placed"), one("payment.made"), one("parcel.sent"), one("invoice.written"));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!((placed.correlation, placed.causation, placed.trace), (None, None, some(TRACE)));
    assert_eq!((paid.correlation, paid.causation, paid.trace), (some("first"), some("first"), some(TRACE)));
    // The trace that a handler gives itself takes the place of its cause's.
    assert_eq!((sent.correlation, sent.causation), (some("first"), Some(paid.id)));
    assert_eq!(sent.trace, some(OTHER_TRACE));
    // A plain publication is plain: there is no magic that finds out where it was made.
    assert_eq!((aside.correlation, aside.causation, aside.trace), (None, None, None));
    assert!(noted.stats().groups().iter().all(|group| group.dead_lettered == 0));
}

#[tokio::test(start_paused = true)]
async fn two_trace_contexts_in_one_publication_are_an_error_at_the_await() {
    let bus = Bus::<Desk>::builder().connect("memory:").await.unwrap();
    let order = Placed { number: 1, customer: "c".into() };
    let publication = bus.publish(&order).header("traceparent", TRACE).header("traceparent", OTHER_TRACE);
    assert_eq!(publication.await.unwrap_err().kind(), typebus::ErrorKind::InvalidHeader);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_cause_without_an_id_is_known_by_its_place() {
    let (url, events) = (broker(), Events::default());
    let notary = Bus::<Notary>::builder().state(events.clone()).connect(&url).await.unwrap();
    let announcer = Bus::<Announcer>::builder().connect(&url).await.unwrap();
    let bus = Bus::<Chain>::builder().state(Announcing(announcer)).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let mut expected = Vec::new();
    for number in 0..3 {
        let payload = format!(r#"{{"number":{number},"customer":"ann"}}"#);
        let stored = foreign.message("shop.orders").key("ann").payload(payload).send().await.unwrap();
        let place = format!("shop.orders/{}/{}", stored.partition.unwrap(), stored.position.unwrap());
        expected.push(derived(&["chain", "book", "", &place], 0));
    }
    start(&bus).await;
    start(&notary).await;
    assert_eq!(events.ids("payment.made"), expected);
    assert!(events.named("payment.made").iter().all(|paid| paid.causation.is_none()));
}

#[handler]
async fn both(order: Placed, runs: State<Seen<u64>>) -> (Paid, Shipped) {
    runs.push(order.number);
    (Paid { number: order.number, customer: None }, Shipped { number: order.number })
}

type Runs = Seen<u64>;

service! { Pair = "pair" { handles: [both], publishes: [Placed], state: [Runs] } }

#[tokio::test(start_paused = true)]
async fn a_pair_whose_second_was_not_confirmed_is_given_again_with_the_same_ids() {
    let (url, events, runs) = (broker(), Events::default(), Runs::default());
    let notary = Bus::<Notary>::builder().state(events.clone()).connect(&url).await.unwrap();
    let noting = notary.start().await.unwrap();
    // It never answers what is published on one topic.
    let stalling = Wrapped {
        publish: |outgoing| {
            (&*outgoing.topic == "shop.parcels").then(|| Publishing::pending(std::future::pending()))
        },
        ..Wrapped::new(&url)
    };
    let stalled = Bus::<Pair>::builder().state(runs.clone()).connect(stalling).await.unwrap();
    let order = Placed { number: 1, customer: "ann".into() };
    let cause = stalled.publish(&order).await.unwrap();
    let running = stalled.start().await.unwrap();
    events.0.reached(2).await;
    // Not confirmed, not settled, and not run again by whoever is still at it.
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    assert_eq!(runs.all(), [1]);
    running.hurry();
    patiently(running.finished()).await.unwrap();

    let healthy = Bus::<Pair>::builder().state(runs.clone()).connect(&url).await.unwrap();
    start(&healthy).await;
    caught_up(&noting).await;
    assert_eq!(runs.all(), [1, 1]);
    let id = |index| derived(&["pair", "both", "pair", cause.id()], index);
    assert_eq!(events.ids("payment.made"), [id(0), id(0)]);
    assert_eq!(events.ids("parcel.sent"), [id(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_publication_dropped_before_its_first_poll_is_not_sent_and_after_it_is() {
    let (url, runs) = (broker(), Runs::default());
    let bus = Bus::<Pair>::builder().state(runs.clone()).connect(&url).await.unwrap();
    let order = |number| Placed { number, customer: "c".into() };
    drop(bus.publish(&order(1)).into_future());
    let mut polled = pin!(bus.publish(&order(2)).into_future());
    assert!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    start(&bus).await;
    assert_eq!(runs.all(), [2]);
}
