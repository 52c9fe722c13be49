//! What layers cannot break, and what they are told where something is cut off or has to be repeated.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{
    Around, Ended, Error, ErrorKind, GroupStats, Layer, Load, LocalStore, OnSent, Publication, Reason,
    Received, Sent, Settlement, Tuning,
    backend::{Outgoing, Publishing},
    prelude::*,
};
use typebus_tests::{Does, Gate, Job, Paid, Placed, broker, caught_up, counts, letters, start};

use crate::{layers::Log, quotes::able, wrapped::Wrapped};

#[handler(retry(attempts = 2, backoff = "1s..1s", jitter = false))]
async fn work(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job] } }

#[handler]
async fn charge(order: Placed) -> Vec<Paid> {
    vec![Paid { number: order.number, customer: None }, Paid { number: 100 + order.number, customer: None }]
}

service! { Till = "till" { handles: [charge], publishes: [Placed] } }

fn placed(number: u64) -> Placed {
    Placed { number, customer: "c".into() }
}

/// Panics wherever it can.
struct Careless;

impl Layer for Careless {
    fn publish(&self, _: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        Ok(Some(Box::new(|_: &Sent<'_>| panic!("sent"))))
    }

    fn receive(&self, _: &Received<'_>) {
        panic!("receive");
    }

    fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        assert!(deliveries[0].attempt() > 1, "attempt");
        Ok(Some(Box::new(CarelessAround)))
    }

    fn retry(&self, _: &Received<'_>, _: Duration) {
        panic!("retry");
    }

    fn settle(&self, _: &Received<'_>, _: Settlement) {
        panic!("settle");
    }

    fn dead_letter(&self, _: &typebus::DeadLetter) {
        panic!("dead_letter");
    }

    fn load(&self, _: &Load<'_>) {
        panic!("load");
    }
}

struct CarelessAround;

impl Around for CarelessAround {
    fn poll(&mut self, _: &mut dyn FnMut()) {
        panic!("poll");
    }

    fn ended(self: Box<Self>, _: &Ended<'_>) {
        panic!("ended");
    }
}

impl Drop for CarelessAround {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("drop");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_stops_nothing() {
    let log = Log::default();
    let builder = Bus::<Workshop>::builder().layer(Careless).layer(log.clone());
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Fail])).await.unwrap();
    bus.publish(&Job::of("b", 2).does([Does::Bury])).await.unwrap();
    bus.publish(&Job::of("c", 3)).await.unwrap();
    let running = start(&bus).await;
    let GroupStats { handled, dead_lettered, .. } = counts(&running);
    assert_eq!((handled, dead_lettered), (2, 1));
    assert!(running.health().is_healthy());
    let settled = log.0.all().into_iter().filter(|line| line.ends_with("ed work.jobs")).count();
    assert_eq!(settled, 3, "the layers after it are told");
    running.stop().await.unwrap();
}

/// Counts what is dropped without an answer.
struct Cut(Log);

impl Layer for Cut {
    fn attempt(&self, _: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        Ok(Some(Box::new(CutAround(self.0.clone()))))
    }
}

struct CutAround(Log);

impl Around for CutAround {
    fn ended(self: Box<Self>, _: &Ended<'_>) {
        self.0.add("ended".into());
    }
}

impl Drop for CutAround {
    fn drop(&mut self) {
        self.0.add("dropped".into());
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cut_off_is_dropped_and_one_that_times_out_ended() {
    let log = Log::default();
    let bus = Bus::<Workshop>::builder().layer(Cut(log.clone())).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Hang])).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(log.0.all(), ["ended", "dropped", "ended", "dropped"], "timed out, and repeated");
    bus.publish(&Job::of("a", 2).does([Does::Take(55_000)])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await.unwrap();
    assert_eq!(log.0.all()[4..], ["dropped"], "the drain ended before it did");
}

/// A broker that answers later, and refuses the first of what handlers and the bus publish.
fn once_away(kind: ErrorKind, sent: &'static AtomicU32) -> impl Fn(&Outgoing) -> Option<Publishing> {
    move |outgoing| {
        let is_ours = ["shop.payments", "dead.workshop"].contains(&outgoing.topic.as_str());
        let is_first = is_ours && sent.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then(|| {
            Publishing::pending(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(Error::new(kind, "publish", "not now"))
            })
        })
    }
}

fn told(log: &Log) -> Vec<String> {
    let is_of_publishing =
        |line: &String| ["publish", "confirmed", "failed", "dead"].iter().any(|w| line.starts_with(w));
    log.0.all().into_iter().filter(is_of_publishing).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_is_one_publication() {
    static SENT: AtomicU32 = AtomicU32::new(0);
    let log = Log::default();
    let broker = Wrapped {
        publish: |outgoing| once_away(ErrorKind::Connect, &SENT)(outgoing),
        ..Wrapped::new("memory:")
    };
    let bus = Bus::<Till>::builder().layer(log.clone()).connect(broker).await.unwrap();
    bus.publish(&placed(1)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(SENT.load(Ordering::Relaxed), 3, "the first was sent twice");
    let publish = "publish payment.made on shop.payments from shop.orders";
    let confirmed = "confirmed payment.made on shop.payments";
    assert_eq!(told(&log)[2..], [publish, publish, confirmed, confirmed]);
    assert_eq!(counts(&running).handled, 1);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_sent_has_failed() {
    static SENT: AtomicU32 = AtomicU32::new(0);
    let log = Log::default();
    let broker = Wrapped {
        publish: |outgoing| once_away(ErrorKind::Permission, &SENT)(outgoing),
        ..Wrapped::new("memory:")
    };
    let bus = Bus::<Till>::builder().layer(log.clone()).connect(broker).await.unwrap();
    bus.publish(&placed(1)).await.unwrap();
    start(&bus).await;
    let told = told(&log);
    assert_eq!(told[4], "failed payment.made on shop.payments: Permission");
    assert!(told.contains(&"dead letter publish_failed on dead.till".to_owned()), "{told:?}");
    assert_eq!(letters(&bus, "till").await[0].reason(), Reason::PublishFailed);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_has_to_be_repeated_is_told_once() {
    static SENT: AtomicU32 = AtomicU32::new(0);
    let log = Log::default();
    let broker = Wrapped {
        publish: |outgoing| once_away(ErrorKind::Timeout, &SENT)(outgoing),
        ..Wrapped::new("memory:")
    };
    let bus = Bus::<Workshop>::builder().layer(log.clone()).connect(broker).await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Bury])).await.unwrap();
    start(&bus).await;
    assert_eq!(SENT.load(Ordering::Relaxed), 2);
    let expected = [
        "publish job on dead.workshop from work.jobs",
        "confirmed job on dead.workshop",
        "dead letter failed on dead.workshop",
        "dead_lettered work.jobs",
    ];
    assert_eq!(told(&log)[2..], expected);
}

/// Refuses to publish payments for a while.
struct Busy(AtomicU32);

impl Layer for Busy {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        match publication.name() == "payment.made" && self.0.fetch_add(1, Ordering::Relaxed) == 1 {
            true => Err(Error::new(ErrorKind::Full, "publish", "too many payments")),
            false => Ok(None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_layer_refuses_for_now_repeats_the_attempt() {
    let log = Log::default();
    let builder = Bus::<Till>::builder().layer(log.clone()).layer(Busy(AtomicU32::new(0)));
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&placed(1)).await.unwrap();
    let running = start(&bus).await;
    let GroupStats { handled, retried, dead_lettered, .. } = counts(&running);
    assert_eq!((handled, retried, dead_lettered), (1, 1, 0));
    let published: Vec<_> =
        running.stats().published().map(|(topic, count)| (topic.to_owned(), count)).collect();
    let payments = published.iter().find(|(topic, _)| topic == "shop.payments");
    assert_eq!(payments.unwrap().1, 2, "nothing of the refused attempt was sent");
}

#[handler(dedupe = "1h")]
async fn once(_: Job) {}

service! { Once = "once" { handles: [once], publishes: [Job] } }

#[tokio::test(start_paused = true)]
async fn a_repeat_of_finished_work_ends_as_one() {
    let log = Log::default();
    let builder = Bus::<Once>::builder().dedupe_store(LocalStore::new()).layer(log.clone());
    let bus = builder.connect("memory:").await.unwrap();
    for _ in 0..2 {
        bus.publish(&Job::of("a", 1)).id("fact").await.unwrap();
    }
    start(&bus).await;
    let all = log.0.all();
    let ends: Vec<_> = all.iter().filter(|line| line.ends_with("ed work.jobs")).collect();
    assert_eq!(ends, ["handled work.jobs", "repeated work.jobs"]);
    assert_eq!(all.iter().filter(|line| line.starts_with("attempt")).count(), 1);
}

/// Asks for a price.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.prices", name = "get.price", reply = Price)]
struct GetPrice {
    sku: String,
}

/// The price.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Price {
    cents: u64,
}

#[handler]
async fn price(question: GetPrice) -> Price {
    Price { cents: question.sku.len() as u64 }
}

service! { Prices = "prices" { handles: [price], publishes: [GetPrice] } }

/// Where something is published to.
#[derive(Clone, Default)]
struct Destinations(Log);

impl Layer for Destinations {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        publication.header("tenant", "acme");
        self.0.add(publication.destination().to_owned());
        Ok(None)
    }

    fn settle(&self, _: &Received<'_>, settlement: Settlement) {
        self.0.add(settlement.as_str().to_owned());
    }
}

#[tokio::test(start_paused = true)]
async fn requests_and_replies_are_publications_and_the_topics_of_replies_are_one() {
    let log = Destinations::default();
    let bus = Bus::<Prices>::builder().layer(log.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    let reply = bus.request(&GetPrice { sku: "pencil".into() }).await.unwrap();
    assert_eq!(reply.cents, 6);
    caught_up(&running).await;
    assert_eq!(log.0.0.all(), ["shop.prices", "reply", "handled"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_expired_ends_as_that() {
    // A broker that cannot drop it itself.
    let (log, broker) = (Destinations::default(), able(&format!("{}?profile=kafka", broker())));
    let bus = Bus::<Prices>::builder().layer(log.clone()).connect(broker).await.unwrap();
    let asked = bus.request(&GetPrice { sku: "pencil".into() }).timeout(Duration::from_secs(1));
    asked.await.unwrap_err();
    let running = start(&bus).await;
    assert_eq!(counts(&running).expired, 1);
    assert_eq!(log.0.0.all(), ["shop.prices", "expired"]);
}

#[handler(concurrency = 8)]
async fn wait(_: Job, gate: State<Gate>) {
    gate.pass().await;
}

service! { Waiters = "waiters" { handles: [wait], publishes: [Job], state: [Gate] } }

#[derive(Clone, Default)]
struct Loads(Log);

impl Layer for Loads {
    fn load(&self, load: &Load<'_>) {
        self.0.add(format!("{} of {}", load.running(), load.held()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_load_is_that_of_all_workers_of_a_subscription() {
    let (gate, loads) = (Gate::default(), Loads::default());
    let tuning = Tuning { workers: Some(4), ..Tuning::default() };
    let builder = Bus::<Waiters>::builder().state(gate.clone()).tuning(tuning).layer(loads.clone());
    let bus = builder.connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..16 {
        bus.publish(&Job::of(&format!("k{number}"), number)).await.unwrap();
    }
    // Keys are spread over the workers as it happens, so some may have to wait.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let at_gate = gate.waiting();
    assert!(at_gate > 2, "several workers run: {at_gate}");
    let busy = counts(&running);
    assert_eq!((busy.running, busy.held), (at_gate as u64, 16));
    assert_eq!(loads.0.0.all().last(), Some(&format!("{at_gate} of 16")));
    assert_eq!(busy.oldest, Some(Duration::from_secs(2)));
    gate.open();
    caught_up(&running).await;
    running.stop().await.unwrap();
    assert_eq!(loads.0.0.all().last(), Some(&"0 of 0".to_owned()));
}
