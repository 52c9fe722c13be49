//! What is logged and shown: the names of OpenTelemetry, and no payload, no state, no secret.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry,
    registry::LookupSpan,
};
use typebus::{Config, Runs, Tuning, backend::MessageBuilder, prelude::*, testing::Foreign};
use typebus_tests::{
    Does, Job, Journal, Paid, Placed, Seen, Shipped, broker, caught_up, letters, patiently, start,
};

use crate::{
    config::Secretive,
    quotes::{Desk, office},
};

/// One span or event with its fields, and the fields of the span around it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    level: Level,
    name: String,
    fields: BTreeMap<String, String>,
    within: BTreeMap<String, String>,
}

impl Record {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Keeps what typebus and its users say on this thread.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<Record>>>);

impl Capture {
    fn start() -> (Self, DefaultGuard) {
        // While there is only one subscriber, tracing asks whichever thread comes first whether a line is of interest,
        // and other tests' threads have no subscriber. Two that stay make it ask all of them.
        static STAY: LazyLock<[Dispatch; 2]> = LazyLock::new(|| [(); 2].map(|()| Dispatch::new(registry())));
        LazyLock::force(&STAY);
        let capture = Self::default();
        let guard = tracing::subscriber::set_default(registry().with(capture.clone()));
        (capture, guard)
    }

    fn named(&self, name: &str) -> Vec<Record> {
        self.0.lock().unwrap().iter().filter(|record| record.name == name).cloned().collect()
    }

    fn text(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").unwrap();
        self.0.insert(field.name().to_owned(), text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        context.span(id).unwrap().extensions_mut().insert(fields.0.clone());
        self.0.lock().unwrap().push(Record {
            level: *metadata.level(),
            name: metadata.name().to_owned(),
            fields: fields.0,
            within: BTreeMap::new(),
        });
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let within = context
            .event_span(event)
            .and_then(|span| span.extensions().get::<BTreeMap<String, String>>().cloned())
            .unwrap_or_default();
        self.0.lock().unwrap().push(Record {
            level: *event.metadata().level(),
            name: fields.0.remove("message").unwrap_or_default(),
            fields: fields.0,
            within,
        });
    }
}

#[derive(Clone, Default)]
struct Vault {
    #[allow(dead_code, reason = "it is there to be not shown")]
    secret: String,
    seen: Seen<u64>,
}

#[handler(concurrency = 7, retry(attempts = 2, backoff = "100ms..2s"), timeout = "9s")]
async fn guard(order: Placed, vault: State<Vault>) -> Result<(), Failure> {
    vault.seen.push(order.number);
    tracing::info!("in the handler");
    tokio::task::yield_now().await;
    tracing::info!("after a while");
    if order.number == 13 { Err(Failure::retry("bad luck")) } else { Ok(()) }
}

#[handler(topic = "shop.*", group = "audit", order = none, dead_letter = discard)]
async fn audit(_: AnyEvent) {}

service! { Bank = "bank" { handles: [guard, audit], publishes: [Placed], state: [Vault] } }

fn vault() -> Vault {
    Vault { secret: "hunter2".into(), ..Vault::default() }
}

fn order(number: u64) -> Placed {
    Placed { number, customer: "hunter2".into() }
}

#[tokio::test(start_paused = true)]
async fn connecting_tells_subscriptions_groups_and_policies_once() {
    let (capture, _guard) = Capture::start();
    let bus = Bus::<Bank>::builder().state(vault()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    patiently(running.stop()).await.unwrap();
    let connected = capture.named("connected");
    assert_eq!(connected.len(), 1);
    assert_eq!(connected[0].field("service"), "bank");
    assert_eq!(
        (connected[0].field("messaging.system"), connected[0].field("subscriptions")),
        ("memory", "2")
    );
    let subscriptions = capture.named("subscription");
    let told: Vec<[&str; 8]> = subscriptions
        .iter()
        .map(|record| {
            [
                "messaging.destination.name",
                "messaging.consumer.group.name",
                "handler",
                "concurrency",
                "order",
                "attempts",
                "backoff",
                "timeout",
            ]
            .map(|name| record.field(name))
        })
        .collect();
    let expected = [
        ["shop.*", "audit", "audit", "16", "None", "8", "200ms..30s", "Some(60s)"],
        ["shop.orders", "bank", "guard", "7", "Key", "2", "100ms..2s", "Some(9s)"],
    ];
    assert_eq!(told, expected);
    assert!(subscriptions.iter().all(|record| record.level == Level::INFO));
    assert!(subscriptions[0].field("dead_letter").contains("Discard"));
    assert_eq!(capture.named("stopped").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_a_span_with_the_names_of_opentelemetry() {
    let (capture, _guard) = Capture::start();
    let bus = Bus::<Bank>::builder().state(vault()).connect("memory:").await.unwrap();
    let good = bus.publish(&order(1)).await.unwrap();
    let bad = bus.publish(&order(13)).await.unwrap();
    let running = start(&bus).await;
    let spans = capture.named("process");
    let of = |id: &str| -> Vec<&Record> {
        let ours =
            |span: &&Record| span.field("messaging.message.id") == id && span.field("handler") == "guard";
        spans.iter().filter(ours).collect()
    };
    assert_eq!((of(good.id()).len(), of(bad.id()).len()), (1, 2));
    for (nth, span) in (1..).zip(of(bad.id())) {
        assert_eq!(span.level, Level::INFO);
        assert_eq!(span.field("messaging.operation.name"), "process");
        assert_eq!(span.field("messaging.system"), "memory");
        assert_eq!(span.field("messaging.destination.name"), "shop.orders");
        assert_eq!(span.field("messaging.consumer.group.name"), "bank");
        assert_eq!(span.field("attempt"), nth.to_string());
    }
    // What a handler logs is in its attempt's span, before and after it waited.
    for text in ["in the handler", "after a while"] {
        let logged = capture.named(text);
        assert_eq!(logged.len(), 3);
        assert!(
            logged.iter().all(|record| record.within.get("handler").map(String::as_str) == Some("guard"))
        );
        let ids: Vec<_> =
            logged.iter().map(|record| record.within["messaging.message.id"].as_str()).collect();
        assert_eq!(ids.iter().filter(|id| **id == bad.id()).count(), 2, "{ids:?}");
    }
    patiently(running.stop()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn retries_and_dead_letters_are_logged_with_their_reason() {
    let (capture, _guard) = Capture::start();
    let bus = Bus::<Bank>::builder().state(vault()).connect("memory:").await.unwrap();
    let bad = bus.publish(&order(13)).await.unwrap();
    start(&bus).await;
    let retries = capture.named("the attempt failed and will be repeated");
    assert_eq!(retries.len(), 1);
    assert_eq!(
        (retries[0].level, retries[0].field("attempt"), retries[0].field("error")),
        (Level::DEBUG, "1", "bad luck")
    );
    let letters = capture.named("dead letter");
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.level, Level::WARN);
    for (field, value) in [
        ("messaging.destination.name", "shop.orders"),
        ("messaging.consumer.group.name", "bank"),
        ("messaging.message.id", bad.id()),
        ("handler", "guard"),
        ("attempts", "2"),
        ("reason", "failed"),
        ("error", "bad luck"),
    ] {
        assert_eq!(letter.field(field), value, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn logs_have_neither_payload_nor_state_nor_key() {
    let (capture, _guard) = Capture::start();
    let (url, vault) = (broker(), vault());
    let bus = Bus::<Bank>::builder().state(vault.clone()).connect(&url).await.unwrap();
    for number in [1, 13] {
        bus.publish(&order(number)).header("token", "hunter2").await.unwrap();
    }
    let foreign = Foreign::connect(&url).unwrap();
    let message = foreign.message("shop.orders").key("hunter2").header("token", "hunter2");
    message.payload("hunter2").send().await.unwrap();
    let empty = Placed { number: 1, customer: String::new() };
    bus.publish(&empty).header("token", "hunter2").await.unwrap_err();
    let running = start(&bus).await;
    patiently(running.stop()).await.unwrap();
    assert_eq!(capture.named("dead letter").len(), 2);
    assert_eq!(vault.seen.count(), 3);
    let text = capture.text();
    assert!(!text.contains("hunter2"), "{text}");
}

#[handler(timeout = none, retry(attempts = 3))]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_over_says_what_it_left() {
    let (capture, _guard) = Capture::start();
    let journal = Journal::default();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    for number in 0..3 {
        bus.publish(&Job::of(&number.to_string(), number).does([Does::Hang])).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    journal.begun(3).await;
    patiently(running.stop()).await.unwrap();
    let told = capture.named("the drain is over; what still runs comes again later");
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].level, told[0].field("unfinished"), told[0].field("group")),
        (Level::WARN, "3", "workshop")
    );
}

/// Nothing shows what it holds for others.
#[tokio::test(start_paused = true)]
async fn everything_is_shown_by_debug_and_no_secret_with_it() {
    let url = broker();
    let builder = Bus::<Bank>::builder().state(vault()).tuning(Tuning::default());
    let mut shown = vec![format!("{builder:?}")];
    let bus = builder.connect(&url).await.unwrap();
    shown.push(format!("{bus:?}"));
    let foreign = Foreign::connect(&url).unwrap();
    let message = foreign.message("shop.orders").key("hunter2").header("token", "hunter2").payload("hunter2");
    shown.push(format!("{foreign:?} {message:?}"));
    message.send().await.unwrap();
    let publication = bus.publish(&order(13)).header("token", "hunter2").key("hunter2");
    shown.push(format!("{publication:?}"));
    let mut confirm = publication.into_future();
    shown.push(format!("{confirm:?}"));
    shown.push(format!("{:?}", (&mut confirm).await.unwrap()));
    shown.push(format!("{confirm:?} {:?}", bus.publisher::<Placed>()));
    let mut builder = MessageBuilder::new();
    builder.payload(|buffer| std::io::Write::write_all(buffer, b"hunter2")).unwrap().key(b"hunter2");
    shown.push(format!("{builder:?} {:?}", builder.header(b"token", b"hunter2").build()));
    let dynamic: &dyn Runs = &bus;
    shown.push(format!("{:?}", dynamic.core()));
    let running = start(&bus).await;
    shown.push(format!("{running:?} {:?}", running.stats()));
    let dead = bus.dead_letters("bank");
    shown.push(format!("{dead:?} {:?}", dead.list()));
    shown.push(format!("{:?}", letters(&bus, "bank").await));
    let state: State<Vault> = vault().into();
    shown.push(format!("{state:?} {:?}", Attempt::new(1, 2)));
    shown.push(format!(
        "{:?} {:?}",
        bus.dead_letters("nobody").list().collect().await.unwrap_err(),
        Failure::retry("said aloud")
    ));
    for text in shown {
        assert!(!text.is_empty() && !text.contains("hunter2"), "{text}");
        // Nor as bytes.
        assert!(!text.contains("104, 117, 110, 116"), "{text}");
    }
}

/// What handlers are given is shown, too.
#[handler]
async fn show(
    order: Envelope<Placed>,
    metadata: Metadata,
    publisher: Publisher<(Paid, Shipped)>,
    shutdown: Shutdown,
    texts: State<Texts>,
) {
    texts.0.push(format!("{:?} {metadata:?} {publisher:?} {shutdown:?}", order.metadata));
}

#[handler(topic = "shop.orders", group = "raw")]
async fn show_raw(event: AnyEvent, texts: State<Texts>) {
    texts.0.push(format!("{event:?}"));
}

#[derive(Clone, Default)]
struct Texts(Seen<String>);

service! { Shower = "shower" { handles: [show, show_raw], publishes: [Placed], state: [Texts] } }

#[tokio::test(start_paused = true)]
async fn what_handlers_are_given_is_shown_without_payload_key_and_headers() {
    let texts = Texts::default();
    let bus = Bus::<Shower>::builder().state(texts.clone()).connect("memory:").await.unwrap();
    bus.publish(&order(1)).header("token", "hunter2").await.unwrap();
    let running = start(&bus).await;
    caught_up(&running).await;
    let all = texts.0.all();
    assert_eq!(all.len(), 2);
    for text in all {
        assert!(text.contains("order.placed") && text.contains("shop.orders"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("104, 117, 110, 116"), "{text}");
    }
}

#[tokio::test]
async fn logs_have_no_secret_of_the_configuration() {
    let (capture, _guard) = Capture::start();
    let vars = [
        ("TYPEBUS_TUNING_DRAIN", "1s"),
        ("TYPEBUS_URL", "kafka://me:hunter2@host"),
        ("TYPEBUS_HANDLERS_GUARD_CONCURRENCY", "9"),
    ];
    let config = Config::from_vars(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let build = || Bus::<Bank>::builder().state(vault()).config(config.clone()).tuning(Tuning::default());
    let _bus = build().connect(Secretive).await.unwrap();
    build().connect(&config).await.unwrap_err();
    let without_effect = "without effect, since the program calls `.tuning(..)`, which says all of it";
    let told: Vec<_> =
        capture.named(without_effect).iter().map(|record| record.field("origin").to_owned()).collect();
    assert_eq!(told, ["TYPEBUS_TUNING_DRAIN"; 2]);
    let guard = capture.named("subscription").into_iter().find(|record| record.field("handler") == "guard");
    assert_eq!(guard.unwrap().field("concurrency"), "9", "what is in force is logged");
    assert!(!capture.text().contains("hunter2"), "{}", capture.text());
}

#[tokio::test(start_paused = true)]
async fn a_forged_reply_topic_is_warned_of_and_an_expired_request_noted() {
    let (capture, _guard) = Capture::start();
    let (url, desk) = (broker(), Desk::default());
    let (_bus, running) = office(&url, &desk).await;
    let foreign = Foreign::connect(&url).unwrap();
    for (name, value) in [("typebus-reply-to", "shop.orders"), ("typebus-time-to-live", "0")] {
        let message = foreign.message("prices.quotes").header("ce_type", "get.quote.v1").header(name, value);
        message.payload(r#"{"number":1,"key":"hunter2","does":[]}"#).send().await.unwrap();
    }
    caught_up(&running).await;
    let [forged] =
        &capture.named("a request asks for its reply in a way that the bus does not; it gets none")[..]
    else {
        panic!("{}", capture.text())
    };
    assert_eq!((forged.level, forged.field("reply_to")), (Level::WARN, "shop.orders"));
    assert_eq!(capture.named("the request expired; it is not run").len(), 1);
    assert!(!capture.text().contains("hunter2"));
}
