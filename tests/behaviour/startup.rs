//! Start-up: what is refused before anything runs, all at once and by name.

use std::time::Duration;

use typebus::{
    Error, ErrorKind, IntoBackend, Limits, Runs, Tuning,
    backend::{Capabilities, memory::Memory},
    prelude::*,
    testing::Foreign,
};
use typebus_tests::{Cancelled, Paid, Placed, Seen, Shipped, broker, caught_up, patiently};

use crate::wrapped::Wrapped;

#[handler(group = "once", delivery = at_most_once)]
async fn at_most(_: Cancelled) {}

#[handler(group = "exactly", delivery = exactly_once, dedupe = "24h")]
async fn exactly(_: Paid) {}

#[handler(group = "held", unknown_version = hold("15m"), breaker(after = 20))]
async fn held(_: Shipped) {}

#[handler(group = "plain", delivery = at_least_once, order = key, timeout = none)]
async fn fine(_: Shipped) {}

service! { Later = "later" { handles: [at_most, exactly, held, fine], publishes: [Placed] } }

#[tokio::test]
async fn what_comes_in_a_later_version_is_refused_by_name_and_all_of_it_at_once() {
    let tuning = Tuning { limits: Limits { held: 0, ..Limits::default() }, ..Tuning::default() };
    let error = Bus::<Later>::builder().tuning(tuning).connect("memory:").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.backend(), error.operation()),
        (ErrorKind::Config, Some("memory"), "start")
    );
    let problems: Vec<(&str, &str)> =
        error.problems().iter().map(|problem| (problem.place(), problem.message())).collect();
    let expected = [
        ("handler `exactly`", "`delivery = exactly_once`"),
        ("handler `exactly`", "`dedupe`"),
        ("`limits.held`", "at least 1"),
    ];
    assert_eq!(problems.len(), expected.len(), "{error}");
    for ((place, message), (expected_place, word)) in problems.iter().zip(expected) {
        assert_eq!(*place, expected_place);
        assert!(message.contains(word), "{message}");
    }
    let text = error.to_string();
    assert!(text.starts_with("start (memory): 3 problems\n  - handler `exactly`: "), "{text}");
}

#[handler]
async fn take(order: Placed, seen: State<Numbers>) {
    seen.push(order.number);
}

type Numbers = Seen<u64>;

service! { Taker = "taker" { handles: [take], publishes: [Placed], state: [Numbers] } }

async fn refused(url: &str) -> Error {
    let error = Bus::<Taker>::builder().state(Numbers::default()).connect(url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error}");
    let foreign = Foreign::connect(url).unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Config, "{url}");
    error
}

#[tokio::test]
async fn urls_are_refused_with_the_reason_and_without_their_secrets() {
    for (url, feature) in [
        ("kafka://user:hunter2@host:9092", (!cfg!(feature = "kafka")).then_some("`kafka`")),
        ("kafkas://user:hunter2@host", (!cfg!(feature = "kafka")).then_some("`kafka`")),
        ("amqp://user:hunter2@host", (!cfg!(feature = "rabbitmq")).then_some("`rabbitmq`")),
        ("amqps://user:hunter2@host", (!cfg!(feature = "rabbitmq")).then_some("`rabbitmq`")),
        ("nats://hunter2@host", (!cfg!(feature = "nats")).then_some("`nats`")),
        ("tls://hunter2@host", (!cfg!(feature = "nats")).then_some("`nats`")),
        ("pulsar://hunter2", Some("in this version")),
        ("pulsar+ssl://hunter2", Some("in this version")),
    ] {
        // With its feature on, a backend says itself what is wrong with a URL.
        let Some(feature) = feature else { continue };
        let text = refused(url).await.to_string();
        let scheme = url.split(':').next().unwrap();
        assert!(text.contains(scheme) && text.contains(feature), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    for url in ["redis://:hunter2@host", "hunter2", "", ":", "Memory:x"] {
        let text = refused(url).await.to_string();
        assert!(text.contains("memory:") && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn options_of_the_url_are_refused_all_at_once() {
    let error =
        refused("memory:a b?partitions=0&capacity=many&unknown=1&full_after=soon&profile=rabbit&capacity=1")
            .await;
    let places: Vec<_> = error.problems().iter().map(|problem| problem.place().to_owned()).collect();
    for place in ["partitions", "capacity", "unknown", "full_after", "profile", "the name `a b`"] {
        assert!(places.iter().any(|found| found.contains(place)), "{place} is not in {places:?}");
    }
    let profile = error.problems().iter().find(|problem| problem.place().contains("profile")).unwrap();
    assert!(profile.message().contains("kafka, rabbitmq, nats, pulsar"), "{profile}");
}

#[tokio::test]
async fn one_name_has_one_set_of_options() {
    let url = broker();
    let _first = Foreign::connect(format!("{url}?partitions=2")).unwrap();
    let error = refused(&format!("{url}?partitions=3")).await;
    assert!(error.to_string().contains('2') && error.to_string().contains('3'), "{error}");
    assert!(Foreign::connect(format!("{url}?partitions=2")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn everything_that_can_be_connected_to_is() {
    let url = broker();
    let name = url.strip_prefix("memory:").unwrap();
    let seen = Numbers::default();
    let connect = || Bus::<Taker>::builder().state(seen.clone());
    let buses = [
        connect().connect(url.as_str()).await.unwrap(),
        connect().connect(url.clone()).await.unwrap(),
        connect().connect(&url).await.unwrap(),
        connect().connect(Memory::named(name)).await.unwrap(),
        connect().connect(url.as_str().into_backend().unwrap()).await.unwrap(),
    ];
    for (number, bus) in (0..).zip(&buses) {
        bus.publish(&Placed { number, customer: "c".into() }).await.unwrap();
    }
    let running = typebus::start(buses.each_ref().map(|bus| bus as &dyn Runs)).await.unwrap();
    caught_up(&running).await;
    assert_eq!(seen.sorted(), [0, 1, 2, 3, 4]);
}

#[handler(topic = "shop.*", group = "patterns", order = partition)]
async fn patterns(_: AnyEvent) {}

#[handler(start = earliest)]
async fn keyed(_: Placed) {}

#[handler(group = "late", start = latest, order = none)]
async fn latest(_: Placed) {}

#[handler(broadcast, order = none)]
async fn everywhere(_: Paid) {}

#[handler(group = "patient", order = none, timeout = none)]
async fn endless(_: Paid) {}

#[handler(group = "stubborn", order = none, timeout = "2m", retry(attempts = 10, backoff = "1s..30s"))]
async fn stubborn(_: Paid) {}

service! {
    Demanding = "demanding" {
        handles: [patterns, keyed, latest, everywhere, endless, stubborn],
        publishes: [Placed],
    }
}

#[tokio::test]
async fn what_the_backend_cannot_do_is_refused_by_handler() {
    let able = Wrapped::new("memory:");
    let capabilities = Capabilities {
        patterns: false,
        key_order: false,
        partition_order: false,
        start_earliest: false,
        start_latest: false,
        broadcast: false,
        longest_hold: Some(Duration::from_secs(30 * 60)),
        ..able.capabilities
    };
    let error = Bus::<Demanding>::builder().connect(Wrapped { capabilities, ..able }).await.unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Config, Some("wrapped")));
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    let expected = [
        ["handler `patterns`", "\"shop.*\""],
        ["handler `patterns`", "`order = partition`"],
        ["handler `keyed`", "`order = key`"],
        ["handler `keyed`", "`start = earliest`"],
        ["handler `latest`", "`start = latest`"],
        ["handler `everywhere`", "`broadcast`"],
        ["handler `endless`", "`timeout = none`"],
        ["handler `stubborn`", "10 attempts of 120s and up to 30s"],
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, words) in problems.iter().zip(expected) {
        assert!(words.iter().all(|word| problem.contains(word)), "{problem}");
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "tenants.{tenant}.logins", name = "logged.in")]
struct LoggedIn {
    tenant: String,
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "tenants.{who}.logins", name = "logged.out")]
struct LoggedOut {
    who: String,
}

#[derive(Debug, EventSet)]
enum Login {
    In(LoggedIn),
    Out(LoggedOut),
}

#[handler]
async fn logins(_: Login) {}

service! { Watching = "watching" { handles: [logins] } }

#[tokio::test]
async fn a_topic_with_a_field_is_a_pattern_to_the_backend() {
    let able = Wrapped::new("memory:");
    let capabilities = Capabilities { patterns: false, ..able.capabilities };
    let error = Bus::<Watching>::builder().connect(Wrapped { capabilities, ..able }).await.unwrap_err();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.contains("`logins`") && problem.contains("\"tenants.*.logins\""), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn where_one_subscription_is_refused_nothing_runs_and_the_others_can_be_started() {
    let (url, seen) = (broker(), Numbers::default());
    let taker = Bus::<Taker>::builder().state(seen.clone()).connect(&url).await.unwrap();
    let strict = Wrapped {
        subscribe: |subscription| {
            let refuses = &*subscription.filter == "shop.*";
            refuses.then(|| Error::new(ErrorKind::Permission, "subscribe", "it is not yours"))
        },
        ..Wrapped::new(&url)
    };
    let demanding = Bus::<Demanding>::builder().connect(strict).await.unwrap();
    taker.publish(&Placed { number: 1, customer: "c".into() }).await.unwrap();
    for _ in 0..2 {
        let error = typebus::start([&taker, &demanding]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
    }
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(seen.count(), 0, "nothing keeps running");
    let running = taker.start().await.unwrap();
    caught_up(&running).await;
    assert_eq!(seen.all(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_service_among_several_that_was_started_before_stops_none_of_them() {
    let (url, seen) = (broker(), Numbers::default());
    let connect = || Bus::<Taker>::builder().state(seen.clone()).connect(&url);
    let (one, two) = (connect().await.unwrap(), connect().await.unwrap());
    let first = two.start().await.unwrap();
    for both in [[&one as &dyn Runs, &two], [&one, &one]] {
        assert_eq!(typebus::start(both).await.unwrap_err().kind(), ErrorKind::Config);
    }
    let second = one.start().await.unwrap();
    one.publish(&Placed { number: 1, customer: "c".into() }).await.unwrap();
    caught_up(&first).await;
    caught_up(&second).await;
    patiently(first.stop()).await.unwrap();
    patiently(second.stop()).await.unwrap();
}
