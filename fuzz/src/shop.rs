//! A service at which messages of others arrive, and what has to be true of each of them.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{
    DeadLetter, IntoBackend, Position, Reason, Running,
    backend::{Backend, Header, Message},
    prelude::*,
    testing::Foreign,
};

use crate::letter::Letter;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = customer)]
pub(crate) struct PlacedV1 {
    number: u64,
    customer: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", version = 2, key = customer, upcasts(PlacedV1))]
pub(crate) struct Placed {
    number: u64,
    customer: String,
    gift: bool,
}

impl From<PlacedV1> for Placed {
    fn from(PlacedV1 { number, customer }: PlacedV1) -> Self {
        Self { number, customer, gift: false }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.cancelled", key = customer)]
pub(crate) struct Cancelled {
    number: u64,
    customer: String,
}

/// The only event of its topic.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.payments", name = "payment.made")]
pub(crate) struct Paid(pub(crate) Tree);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.parcels", name = "parcel.packed", format = "msgpack")]
pub(crate) struct Packed(pub(crate) Tree);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.letters", name = "letter.sent", format = "cbor")]
pub(crate) struct Sent(pub(crate) Tree);

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.quotes", name = "get.quote", reply = Quote)]
pub(crate) struct GetQuote {
    pub(crate) number: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Quote {
    pub(crate) cents: u64,
}

/// All that serde has, nested in itself in each way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Tree {
    Leaf,
    Alone(Box<Self>),
    Pair(Box<Self>, Option<Box<Self>>),
    Named { inner: Vec<Self>, by_name: BTreeMap<String, Self> },
    Text(String),
    Number(i64, u64, f64, bool, char),
    Small(i8, u16, f64, ()),
}

/// What reached a handler.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) topic: String,
    pub(crate) position: Option<Position>,
    pub(crate) name: String,
    pub(crate) version: u16,
    pub(crate) id: String,
    pub(crate) key: Option<String>,
    pub(crate) redriven: u32,
    /// Of those that take any event.
    pub(crate) payload: Option<Vec<u8>>,
}

/// What arrived, in its order. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Arrival>>>);

impl Log {
    pub(crate) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, metadata: &Metadata, payload: Option<&[u8]>) {
        read_all(metadata);
        let arrival = Arrival {
            topic: metadata.topic().to_owned(),
            position: metadata.position(),
            name: metadata.name().to_owned(),
            version: metadata.version(),
            id: metadata.id().to_owned(),
            key: metadata.key().map(str::to_owned),
            redriven: metadata.redriven(),
            payload: payload.map(<[u8]>::to_vec),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
    }
}

/// Whatever a handler may ask for can be had, whatever the sender wrote.
pub(crate) fn read_all(metadata: &Metadata) {
    let _ = (metadata.uuid(), metadata.source(), metadata.time().map(|time| time.to_rfc3339()));
    let _ = (metadata.correlation_id(), metadata.causation_id(), metadata.traceparent());
    let _ = (metadata.partition(), metadata.header("x"), metadata.headers().count(), format!("{metadata:?}"));
}

#[handler]
async fn place(_: Placed, metadata: Metadata, log: State<Log>) {
    log.add(&metadata, None);
}

#[handler]
async fn cancel(_: Cancelled, metadata: Metadata, log: State<Log>) {
    log.add(&metadata, None);
}

#[handler]
async fn pay(_: Paid, metadata: Metadata, log: State<Log>) {
    log.add(&metadata, None);
}

#[handler]
async fn pack(_: Packed, metadata: Metadata, log: State<Log>) {
    log.add(&metadata, None);
}

#[handler]
async fn send(_: Sent, metadata: Metadata, log: State<Log>) {
    log.add(&metadata, None);
}

#[handler]
async fn quote(asked: GetQuote, metadata: Metadata, log: State<Log>) -> Quote {
    log.add(&metadata, None);
    Quote { cents: asked.number.saturating_mul(100) }
}

#[handler(topic = "shop.audit")]
async fn audit(event: AnyEvent, metadata: Metadata, log: State<Log>) {
    let _ = (event.is::<Placed>(), event.decode::<Placed>().is_ok(), event.decode::<Sent>().is_ok());
    assert_eq!((event.name(), event.version()), (metadata.name(), metadata.version()));
    log.add(&metadata, Some(event.payload()));
}

service! { pub(crate) Shop = "shop" { handles: [place, cancel, pay, pack, send, quote, audit], state: [Log], manifest: none } }

/// What became of a message.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Handled(Arrival),
    Skipped,
    /// A request for which nobody waits any more.
    Expired,
    Dead(Reason),
}

impl End {
    pub(crate) const fn is_handled(&self) -> bool {
        matches!(self, Self::Handled(_))
    }
}

/// Runs what must happen by itself, on a clock that jumps: two days are as good as for ever.
pub(crate) fn alone<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime can be built");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(48 * 3_600), future).await.expect("it ends by itself")
    })
}

/// The name of a broker that nobody else has; it has one partition, so that positions count up.
pub(crate) fn broker() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("memory:fuzz-{}?partitions=1", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A broker, the service on it, and a sender that knows nothing of it.
pub(crate) struct Scene {
    pub(crate) bus: Bus<Shop>,
    pub(crate) foreign: Foreign,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) log: Log,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let (url, log) = (broker(), Log::default());
        let bus =
            Bus::<Shop>::builder().state(log.clone()).connect(&url).await.expect("the service is sound");
        let foreign = Foreign::connect(&url).expect("the broker is there");
        Self { bus, foreign, backend: url.into_backend().expect("the broker is there"), log }
    }

    pub(crate) async fn send(&self, topic: &str, letter: &Letter) {
        letter.by(&self.foreign, topic).send().await.expect("the broker takes it");
    }

    pub(crate) async fn start(&self) -> Running {
        let running = self.bus.start().await.expect("it starts");
        running.caught_up().await.expect("it catches up");
        running
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        self.bus.dead_letters("shop").list().collect().await.expect("dead letters can be read")
    }

    /// Dead letters as they are stored.
    pub(crate) async fn stored(&self) -> Vec<Message> {
        let mut stream = self.backend.browse(&"dead.shop".into()).await.expect("dead letters can be read");
        let mut messages = Vec::new();
        while let Some(delivery) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            messages.push(delivery.expect("a dead letter can be read").message);
        }
        messages
    }
}

/// What a topic receives that is certainly good.
fn good(topic: &str) -> Letter {
    let (kind, payload): (_, &[u8]) = match topic {
        "shop.orders" => ("order.placed.v2", br#"{"number":1,"customer":"ann","gift":true}"#),
        "shop.payments" => ("payment.made.v1", br#""Leaf""#),
        "shop.parcels" => ("parcel.packed.v1", b"\xa4Leaf"),
        "shop.letters" => ("letter.sent.v1", b"\x64Leaf"),
        "shop.quotes" => ("get.quote.v1", br#"{"number":1}"#),
        _ => ("audited.v1", b"anything"),
    };
    Letter::with_payload(payload).header("ce_type", kind)
}

/// Sends a message on each of these topics, with a good one behind it, and checks what is promised of every message:
/// it ends once; the one behind it is handled; and a dead letter is what was sent, and dies of the same again.
pub(crate) fn play(letter: &Letter, topics: &[&str]) -> Vec<End> {
    alone(async {
        let scene = Scene::set().await;
        for topic in topics {
            scene.send(topic, letter).await;
            scene.send(topic, &Letter { key: letter.key.clone(), ..good(topic) }).await;
        }
        let running = scene.start().await;
        let arrivals = scene.log.take();
        let letters = scene.letters().await;
        let ends: Vec<_> = topics.iter().map(|topic| end(topic, &running, &arrivals, &letters)).collect();
        assert_eq!(
            letters.len(),
            ends.iter().filter(|end| matches!(end, End::Dead(_))).count(),
            "{letters:?}"
        );
        for stored in scene.stored().await {
            is_the_original(&letter.message(), &stored);
        }
        // Forged headers of ours are left out, and may have been what it died of.
        let is_forged = letter.headers.iter().any(|(name, _)| name.starts_with(b"typebus-"));
        if !letters.is_empty() && !is_forged {
            die_again(&scene, &running, &letters).await;
        }
        running.stop().await.expect("it stops");
        ends
    })
}

/// How the first message of a topic ended. The second was handled.
fn end(topic: &str, running: &Running, arrivals: &[Arrival], letters: &[DeadLetter]) -> End {
    let stats = running.stats();
    let group = stats.groups().iter().find(|group| group.topic == topic).expect("the topic is subscribed to");
    assert_eq!((group.received, group.settled(), group.discarded, group.retried), (2, 2, 0, 0), "{group:?}");
    let at = |position| {
        let mut here =
            arrivals.iter().filter(|one| one.topic == topic && one.position == Some(Position::new(position)));
        let first = here.next().cloned();
        assert!(here.next().is_none(), "{topic} {position} was handled twice");
        first
    };
    assert!(at(1).is_some(), "what came behind on {topic} was not handled: {group:?}");
    let letter = letters.iter().find(|letter| letter.origin().is(topic, Some(0), Position::new(0)));
    match (at(0), letter) {
        (Some(arrival), None) => {
            assert_eq!((group.handled, arrival.redriven), (2, 0), "{group:?}");
            End::Handled(arrival)
        }
        (None, Some(letter)) => {
            assert_eq!((group.handled, group.dead_lettered), (1, 1), "{group:?}");
            assert_eq!((letter.group(), letter.attempts(), letter.redriven()), ("shop", 0, 0));
            assert!(!letter.error().is_empty() && letter.error().len() <= 1_024, "{:?}", letter.error());
            assert!(!letter.handler().is_empty() && letter.first().is_some() && letter.last().is_some());
            read_all(letter.metadata());
            End::Dead(letter.reason())
        }
        (None, None) => {
            assert_eq!((group.handled, group.skipped + group.expired), (1, 1), "{group:?}");
            if group.skipped == 1 { End::Skipped } else { End::Expired }
        }
        (Some(arrival), Some(letter)) => panic!("it was handled and is dead: {arrival:?} {letter:?}"),
    }
}

/// Payload, key, attributes and headers are there, in their order, but for forged ones of ours.
fn is_the_original(original: &Message, dead: &Message) {
    assert_eq!((original.payload(), original.key()), (dead.payload(), dead.key()));
    let theirs =
        |header: &Header<'_>| !matches!(header, Header::Plain(name, _) if name.starts_with(b"typebus-"));
    let expected: Vec<_> = original.headers().filter(theirs).collect();
    let found: Vec<_> = dead.headers().filter(theirs).collect();
    assert!(expected == found, "{expected:?} became {found:?}");
}

/// What is wrong with a message is still wrong when it is replayed.
async fn die_again(scene: &Scene, running: &Running, letters: &[DeadLetter]) {
    let said = |letters: &[DeadLetter]| -> Vec<_> {
        let said = |letter: &DeadLetter| {
            let origin = letter.origin();
            (
                origin.topic,
                origin.position,
                letter.reason(),
                letter.error().to_owned(),
                letter.handler().to_owned(),
            )
        };
        let mut said: Vec<_> =
            letters.iter().map(|letter| (said(letter), letter.payload().to_vec())).collect();
        said.sort_by(|one, other| one.0.0.cmp(&other.0.0));
        said
    };
    scene.bus.dead_letters("shop").replay_all().await.expect("dead letters can be replayed");
    running.caught_up().await.expect("it catches up");
    let again = scene.letters().await;
    assert_eq!(said(letters), said(&again));
    assert!(again.iter().all(|letter| letter.redriven() == 1), "{again:?}");
    let arrivals = scene.log.take();
    assert!(arrivals.is_empty(), "what is dead was handled: {arrivals:?}");
}
