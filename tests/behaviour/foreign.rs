//! Bad input: what others write, however wrong, ends in a dead letter, once, and nothing stops.

use typebus::{ErrorKind, Reason, prelude::*, testing::Foreign};
use typebus_tests::{
    Cancelled, Ends, Gate, Paid, Placed, Seen, broker, caught_up, ends, letters, patiently, start,
};

#[derive(Clone, Default)]
struct Orders(Seen<(u64, String)>);

#[handler(retry(attempts = 3, backoff = "1ms..1ms"))]
async fn take(order: Placed, metadata: Metadata, orders: State<Orders>) {
    orders.0.push((order.number, metadata.id().to_owned()));
}

service! { Sole = "sole" { handles: [take], publishes: [Placed], state: [Orders] } }
service! { Several = "several" { handles: [take], publishes: [Placed, Cancelled], state: [Orders] } }

const KIND: &str = "order.placed.v1";

fn order(number: u64) -> String {
    format!(r#"{{"number":{number},"customer":"ann"}}"#)
}

/// A service, a producer that knows nothing of it, and what arrived.
struct Scene<S> {
    bus: Bus<S>,
    foreign: Foreign,
    orders: Orders,
}

impl<S: typebus::Service + typebus::StateOf<Orders>> Scene<S>
where
    Placed: typebus::PublishedBy<S>,
{
    async fn set() -> Self {
        let (url, orders) = (broker(), Orders::default());
        let bus = Bus::<S>::builder().state(orders.clone()).connect(&url).await.unwrap();
        Self { bus, foreign: Foreign::connect(url).unwrap(), orders }
    }

    /// A message that is right but for what the test adds. All have one key, so that a good one behind a bad one
    /// shows that the key goes on.
    fn message(&self) -> typebus::testing::ForeignMessage<'_> {
        self.foreign.message("shop.orders").key("ann")
    }

    /// Sends one that is right, and runs everything.
    async fn play(&self, bad: u64) -> Vec<typebus::DeadLetter> {
        self.message().header("ce_type", KIND).payload(order(99)).send().await.unwrap();
        let running = start(&self.bus).await;
        assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: bad, ..Ends::NONE });
        assert_eq!(self.orders.0.all(), [(99, String::new())]);
        patiently(running.stop()).await.unwrap();
        letters(&self.bus, S::DESCRIPTOR.name()).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_cannot_be_read_is_a_dead_letter_at_once() {
    let scene = Scene::<Sole>::set().await;
    let bad: [&[u8]; 9] = [
        b"",
        b"{",
        b"null",
        b"[1, \"ann\"]]",
        br#"{"number": 1}"#,
        br#"{"number": -1, "customer": "ann"}"#,
        br#"{"number": 1, "customer": "ann"} trailing"#,
        b"{\"number\": 1, \"customer\": \"\xff\xfe\"}",
        &[b'['; 100_000],
    ];
    for payload in bad {
        scene.message().header("ce_type", KIND).payload(payload).send().await.unwrap();
    }
    let letters = scene.play(bad.len() as u64).await;
    for (letter, payload) in letters.iter().zip(bad) {
        assert_eq!((letter.reason(), letter.attempts(), letter.payload()), (Reason::Undecodable, 0, payload));
        assert!(letter.error().contains("Placed") && letter.error().len() <= 1_024, "{}", letter.error());
    }
    assert_eq!(letters.len(), bad.len());
}

#[tokio::test(start_paused = true)]
async fn a_content_type_that_is_not_json_is_a_dead_letter_and_every_kind_of_json_is_read() {
    let scene = Scene::<Sole>::set().await;
    let bad =
        ["text/plain", "application/xml", "application/cloudevents+xml", "json", "", "application/jsonp"];
    for content_type in bad {
        let message = scene.message().header("ce_type", KIND).header("content-type", content_type);
        message.payload(order(1)).send().await.unwrap();
    }
    for letter in scene.play(bad.len() as u64).await {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0));
        assert!(letter.error().contains("content type"), "{}", letter.error());
    }

    let scene = Scene::<Sole>::set().await;
    let good = [
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/json",
        "application/vnd.shop.order+json;v=1",
        " application/json ",
    ];
    for name in ["content-type", "Content-Type", "ce_datacontenttype", "ce-datacontenttype"] {
        for content_type in good {
            let message = scene.message().header("ce_type", KIND).header(name, content_type);
            message.payload(order(1)).send().await.unwrap();
        }
    }
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 20, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn without_an_envelope_a_message_is_the_only_event_of_its_topic() {
    let scene = Scene::<Sole>::set().await;
    scene.message().payload(order(1)).send().await.unwrap();
    scene.message().header("ce_id", "2").payload(order(2)).send().await.unwrap();
    let running = start(&scene.bus).await;
    assert_eq!(scene.orders.0.all(), [(1, String::new()), (2, "2".to_owned())]);
    assert_eq!(ends(&running), Ends { handled: 2, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn without_a_type_on_a_topic_of_several_a_message_is_a_dead_letter() {
    let scene = Scene::<Several>::set().await;
    scene.message().payload(order(1)).send().await.unwrap();
    let letters = scene.play(1).await;
    assert_eq!((letters[0].reason(), letters[0].attempts()), (Reason::NoType, 0));
    assert_eq!(letters[0].payload(), order(1).as_bytes());
}

#[tokio::test(start_paused = true)]
async fn every_spelling_of_the_envelope_is_understood() {
    let scene = Scene::<Several>::set().await;
    for prefix in ["ce_", "ce-", "CE_", "cloudEvents:", "cloudEvents_"] {
        let (kind, id) = (format!("{prefix}type"), format!("{prefix}id"));
        let message = scene.message().header(kind, KIND).header(id, prefix);
        message.payload(order(1)).send().await.unwrap();
    }
    // A type without a version is version 1.
    scene.message().header("ce_type", "order.placed").payload(order(2)).send().await.unwrap();
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 6, ..Ends::NONE });
    let ids: Vec<_> = scene.orders.0.all().into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["ce_", "ce-", "CE_", "cloudEvents:", "cloudEvents_", ""]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_event_on_a_shared_topic_is_skipped() {
    let scene = Scene::<Several>::set().await;
    for kind in ["order.lost.v1", "order.cancelled.v1", "", "order.placed.extra.v1", "v1", "größe"] {
        scene.message().header("ce_type", kind).payload("whatever").send().await.unwrap();
    }
    scene.message().header("ce_type", KIND).payload(order(1)).send().await.unwrap();
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 1, skipped: 6, ..Ends::NONE });
    assert!(letters(&scene.bus, "several").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn attributes_that_contradict_each_other_or_are_no_text_are_a_dead_letter() {
    let scene = Scene::<Sole>::set().await;
    let bad: [&[(&[u8], &[u8])]; 6] = [
        &[(b"ce_type", b"order.placed.v1"), (b"ce_type", b"order.lost.v1")],
        &[(b"ce_type", b"order.placed.v1"), (b"ce_id", b"1"), (b"ce-id", b"2")],
        &[(b"ce_type", b"\xff\xfe")],
        &[(b"ce_type", b"order.placed.v1"), (b"ce_id", b"\xff\xfe")],
        &[(b"ce_type", b"order.placed.v1"), (b"\xff\xfe", b"a name that is no text")],
        &[(b"content-type", b"application/json"), (b"ce_datacontenttype", b"text/plain")],
    ];
    for headers in bad {
        let message = scene.message().payload(order(1));
        headers.iter().fold(message, |m, (name, value)| m.header(name, value)).send().await.unwrap();
    }
    let letters = scene.play(bad.len() as u64).await;
    for (letter, said) in
        letters.iter().zip(["`type`", "`id`", "`type`", "`id`", "name", "`datacontenttype`"])
    {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Headers, 0));
        assert!(letter.error().contains(said), "{}", letter.error());
    }
    assert_eq!(letters.len(), bad.len());
}

#[tokio::test(start_paused = true)]
async fn headers_that_are_only_odd_do_no_harm() {
    let scene = Scene::<Sole>::set().await;
    let odd: [&[(&[u8], &[u8])]; 4] = [
        &[(b"x", b"\xff\xfe"), (b"", b""), (b"x", b"again")],
        &[(b"ce_type", b"order.placed.v1"), (b"ce_type", b"order.placed.v1")],
        &[(b"ce_unknown", b"\xff"), (b"ce_time", b"yesterday"), (b"ce_specversion", b"0.3")],
        &[(b"traceparent", b"no trace"), (b"reply_to", b"reply.me"), (b"typebus-attempts", b"99")],
    ];
    for headers in odd {
        let message = scene.message().payload(order(1));
        headers.iter().fold(message, |m, (name, value)| m.header(name, value)).send().await.unwrap();
    }
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 4, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn too_many_headers_or_too_large_ones_are_a_dead_letter() {
    let scene = Scene::<Sole>::set().await;
    let many = |count: usize| {
        let message = scene.message().header("ce_type", KIND).payload(order(1));
        (1..count).fold(message, |message, nth| message.header(format!("h{nth}"), "x"))
    };
    many(65).send().await.unwrap();
    many(5_000).send().await.unwrap();
    for length in [16 * 1_024, 200_000] {
        let message = scene.message().header("ce_type", KIND).header("large", "x".repeat(length));
        message.payload(order(1)).send().await.unwrap();
    }
    let letters = scene.play(4).await;
    assert!(letters.iter().all(|letter| (letter.reason(), letter.attempts()) == (Reason::Headers, 0)));
    assert!(letters[0].error().contains("65 headers"), "{}", letters[0].error());
    assert_eq!(letters[3].metadata().header("large").map(str::len), Some(200_000));

    let scene = Scene::<Sole>::set().await;
    let message = scene.message().header("ce_type", KIND).header("large", "x".repeat(15_000));
    (2..64).fold(message, |m, nth| m.header(format!("h{nth}"), "")).payload(order(1)).send().await.unwrap();
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE }, "64 headers of less than 16 KiB are read");
}

#[tokio::test(start_paused = true)]
async fn a_payload_above_the_limit_is_refused_before_it_is_stored() {
    let scene = Scene::<Sole>::set().await;
    let error = scene.message().payload(vec![0; 1_024 * 1_024]).send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.backend(), error.operation()),
        (ErrorKind::TooLarge, Some("memory"), "publish")
    );
    let large = Placed { number: 1, customer: "c".into() };
    let error = scene.bus.publish(&large).header("long", "x".repeat(17_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidHeader);
    scene.play(0).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_program_publishes_is_checked_at_the_await() {
    let scene = Scene::<Sole>::set().await;
    let order = Placed { number: 1, customer: "ann".into() };
    let keyed = |customer: &str| Placed { number: 1, customer: customer.to_owned() };
    for (key, kind) in [
        (keyed(""), Some(ErrorKind::InvalidKey)),
        (keyed(&"k".repeat(1_024)), None),
        (keyed(&"k".repeat(1_025)), Some(ErrorKind::InvalidKey)),
        (keyed(&"k".repeat(2_000)), Some(ErrorKind::InvalidKey)),
        (keyed(&"ü".repeat(512)), None),
        (keyed(&"ü".repeat(513)), Some(ErrorKind::InvalidKey)),
    ] {
        assert_eq!(scene.bus.publish(&key).await.err().map(|error| error.kind()), kind, "{key:?}");
        let given = scene.bus.publish(&order).key(key.customer.clone()).await;
        assert_eq!(given.err().map(|error| error.kind()), kind, "given: {key:?}");
    }
    let long = "n".repeat(65);
    for name in ["", "Upper", "under_score", "größe", "a b", "ce-id", "typebus-reason", "content-type", &long]
    {
        let error = scene.bus.publish(&order).header(name, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{name}");
        assert!(!error.to_string().contains("ann"), "{error}");
    }
    scene.bus.publish(&order).header("n".repeat(64), "any text: größe\n\0").await.unwrap();
    let many = (0..60).fold(scene.bus.publish(&order), |publish, nth| publish.header(format!("h{nth}"), ""));
    assert_eq!(many.await.unwrap_err().kind(), ErrorKind::InvalidHeader);
}

/// An event that cannot be written as JSON when its number is odd, and panics when it is 13.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.moods")]
struct Moody {
    number: u64,
}

impl serde::Serialize for Moody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error, SerializeStruct};
        assert_ne!(self.number, 13, "bad luck");
        if self.number % 2 == 1 {
            return Err(S::Error::custom("an odd mood"));
        }
        let mut fields = serializer.serialize_struct("Moody", 1)?;
        fields.serialize_field("number", &self.number)?;
        fields.end()
    }
}

#[handler(retry(attempts = 2, backoff = "1ms..1ms"))]
async fn mood(order: Placed) -> Moody {
    Moody { number: order.number }
}

service! { Moods = "moods" { handles: [mood], publishes: [Placed, Moody] } }

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_written_is_an_error_for_the_program_and_a_dead_letter_for_a_handler() {
    let bus = Bus::<Moods>::builder().connect("memory:").await.unwrap();
    let error = bus.publish(&Moody { number: 1 }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("an odd mood"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    bus.publish(&Moody { number: 2 }).await.unwrap();
    for number in [3, 4, 13, 6] {
        bus.publish(&Placed { number, customer: "ann".into() }).await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 2, dead_lettered: 2, ..Ends::NONE });
    let said: Vec<_> = letters(&bus, "moods").await.iter().map(|l| (l.reason(), l.attempts())).collect();
    // What cannot be published now cannot be later; a panic may have been bad luck.
    assert_eq!(said, [(Reason::PublishFailed, 1), (Reason::Panicked, 2)]);
}

/// An event whose reading panics.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, Event)]
#[event(topic = "shop.traps")]
struct Trap;

impl<'de> serde::Deserialize<'de> for Trap {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("sprung")
    }
}

#[handler(retry(attempts = 2, backoff = "1ms..1ms"))]
async fn spring(_: Trap) {}

service! { Trapper = "trapper" { handles: [spring], publishes: [Trap] } }

#[tokio::test(start_paused = true)]
async fn reading_that_panics_is_a_panic_of_the_handler() {
    let bus = Bus::<Trapper>::builder().connect("memory:").await.unwrap();
    bus.publish(&Trap).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "trapper").await;
    assert_eq!(
        (letters[0].reason(), letters[0].attempts(), letters[0].error()),
        (Reason::Panicked, 2, "panicked: sprung")
    );
}

#[derive(Debug, EventSet)]
enum Fact {
    Placed(Placed),
    Paid(Paid),
}

#[handler(timeout = "5s", retry(attempts = 1))]
async fn record(fact: Fact, gate: State<Gate>) -> Result<(), Failure> {
    match fact {
        Fact::Placed(order) if order.number == 0 => panic!("no such order"),
        Fact::Placed(_) => {
            gate.pass().await;
            Ok(())
        }
        Fact::Paid(_) => Ok(()),
    }
}

service! { Recorder = "recorder" { handles: [record], publishes: [Placed, Paid], state: [Gate] } }

/// All of it at once, over and over, in one group: what is good gets through, and every bad one is there once.
#[tokio::test(start_paused = true)]
async fn no_message_stops_a_group() {
    let url = broker();
    let bus = Bus::<Recorder>::builder().state(Gate::default()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let running = bus.start().await.unwrap();
    for round in 0..20 {
        let message = || foreign.message("shop.orders").key(format!("key-{}", round % 3));
        message().payload("{").send().await.unwrap();
        message().header(b"\xff", "x").send().await.unwrap();
        message().header("ce_type", "order.placed.v7").send().await.unwrap();
        message().header("content-type", "text/html").payload(order(1)).send().await.unwrap();
        message().header("ce_type", "else.v1").payload("?").send().await.unwrap();
        message().payload(order(0)).send().await.unwrap();
        message().payload(order(1)).send().await.unwrap();
        bus.publish(&Paid { number: round, customer: None }).await.unwrap();
    }
    caught_up(&running).await;
    let stats = running.stats();
    let [orders, payments] = stats.groups() else { panic!("{stats:?}") };
    // What panics and what hangs is dead-lettered like the other four.
    assert_eq!((orders.dead_lettered, orders.skipped, orders.handled), (120, 20, 0));
    assert_eq!((payments.handled, payments.dead_lettered), (20, 0));
    let letters = letters(&bus, "recorder").await;
    for (reason, count) in [
        (Reason::Undecodable, 40),
        (Reason::Headers, 20),
        (Reason::UnknownVersion, 20),
        (Reason::Panicked, 20),
        (Reason::TimedOut, 20),
    ] {
        assert_eq!(letters.iter().filter(|letter| letter.reason() == reason).count(), count, "{reason}");
    }
}
