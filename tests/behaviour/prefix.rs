//! Names on the broker that are not the program's own: a prefix for all of them, other names for some.

use typebus::{Error, ErrorKind, Metadata, backend::Capabilities, prelude::*, testing::Foreign};
use typebus_tests::{Paid, Placed, Seen, Shipped, broker, caught_up, letters, start};

use crate::{config::assert_problems, wrapped::Wrapped};

/// Number, topic and handler of everything that arrived.
type Arrived = Seen<(u64, String, &'static str)>;

#[handler]
async fn take(order: Placed, metadata: Metadata, seen: State<Arrived>) -> Paid {
    seen.push((order.number, metadata.topic().to_owned(), "take"));
    Paid { number: order.number, customer: None }
}

#[handler(topic = "shop.>", group = "audit")]
async fn audit(event: AnyEvent, seen: State<Arrived>) {
    let number = event.decode::<Placed>().map_or(0, |order| order.number);
    seen.push((number, event.metadata().topic().to_owned(), "audit"));
}

#[handler(topic = ">", group = "everything", dead_letter = "dead.all.of.it")]
async fn everything(event: AnyEvent) -> Result<(), Failure> {
    Err(Failure::dead_letter(std::io::Error::other(event.metadata().topic().to_owned())))
}

service! { Shop = "shop" { handles: [take, audit], publishes: [Placed], state: [Arrived] } }
service! { Everything = "everything" { handles: [everything], publishes: [Shipped] } }

fn placed(number: u64) -> Placed {
    Placed { number, customer: "c".into() }
}

#[tokio::test(start_paused = true)]
async fn environments_on_one_broker_have_nothing_in_common() {
    let url = broker();
    let (staging, production, plain) = (Arrived::default(), Arrived::default(), Arrived::default());
    let build = |seen: &Arrived| Bus::<Shop>::builder().state(seen.clone());
    let buses = [
        build(&staging).prefix("staging").connect(&url).await.unwrap(),
        build(&production).prefix("production").connect(&url).await.unwrap(),
        build(&plain).connect(&url).await.unwrap(),
    ];
    let mut running = Vec::new();
    for (number, bus) in (1..).zip(&buses) {
        let receipt = bus.publish(&placed(number)).await.unwrap();
        assert_eq!(receipt.topic(), "shop.orders", "the program sees its own names");
        running.push(bus.start().await.unwrap());
    }
    for running in running.iter().chain(&running) {
        caught_up(running).await;
    }
    for (number, seen) in (1..).zip([staging, production, plain]) {
        let all = [
            (0, "shop.payments".to_owned(), "audit"),
            (number, "shop.orders".to_owned(), "audit"),
            (number, "shop.orders".to_owned(), "take"),
        ];
        assert_eq!(seen.sorted(), all);
    }
    let stats = running[0].stats();
    let groups: Vec<_> =
        stats.groups().iter().map(|group| (group.group.as_str(), group.topic.as_str())).collect();
    assert_eq!(groups, [("audit", "shop.>"), ("shop", "shop.orders")]);
    assert_eq!(
        stats.published().collect::<Vec<_>>(),
        [("dead.audit", 0), ("dead.shop", 0), ("shop.orders", 1), ("shop.payments", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_broker_has_the_prefixed_names() {
    let url = broker();
    let seen = Arrived::default();
    let bus = Bus::<Shop>::builder().state(seen.clone()).prefix("staging").connect(&url).await.unwrap();
    let outside = Foreign::connect(&url).unwrap();
    let payload = r#"{"number":7,"customer":"c"}"#;
    for topic in ["staging.shop.orders", "shop.orders", "production.shop.orders", "staging.shop.new.topic"] {
        outside.message(topic).header("ce_type", "order.placed.v1").payload(payload).send().await.unwrap();
    }
    start(&bus).await;
    let heard = seen.sorted();
    let topics: Vec<_> = heard.iter().map(|(_, topic, handler)| (topic.as_str(), *handler)).collect();
    assert_eq!(
        topics,
        [
            ("shop.payments", "audit"),
            ("shop.new.topic", "audit"),
            ("shop.orders", "audit"),
            ("shop.orders", "take")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_prefixed_in_their_second_token_and_read_again() {
    let url = broker();
    let build = || Bus::<Everything>::builder();
    let bus = build().prefix("staging").connect(&url).await.unwrap();
    let other = build().prefix("other").connect(&url).await.unwrap();
    bus.publish(&Shipped { number: 1 }).await.unwrap();
    let running = start(&bus).await;
    let [letter] = &letters(&bus, "everything").await[..] else { panic!("one letter") };
    assert_eq!(
        (letter.error(), letter.group(), letter.metadata().topic()),
        ("shop.parcels", "everything", "dead.all.of.it")
    );
    assert_eq!(letter.origin().topic, "shop.parcels");
    assert!(letters(&other, "everything").await.is_empty(), "they are of another environment");
    let topics =
        raw_topics(&url, &["dead.staging-all.of.it", "dead.all.of.it", "dead.other-all.of.it"]).await;
    assert_eq!(topics, [1, 0, 0]);
    // The group's own topic, where the handler names none.
    let seen = Arrived::default();
    let shop = Bus::<Shop>::builder().state(seen).prefix("staging").connect(&url).await.unwrap();
    let broken = r#"{"number":"none"}"#;
    let outside = Foreign::connect(&url).unwrap();
    outside
        .message("staging.shop.orders")
        .header("ce_type", "order.placed.v1")
        .payload(broken)
        .send()
        .await
        .unwrap();
    let shopping = start(&shop).await;
    assert_eq!(letters(&shop, "shop").await.len(), 1);
    assert_eq!(raw_topics(&url, &["dead.staging-shop", "dead.shop", "staging.dead.shop"]).await, [1, 0, 0]);
    drop(shopping);
    drop(running);
}

/// How many messages there are on each of these topics of the broker.
async fn raw_topics(url: &str, topics: &[&str]) -> Vec<usize> {
    use std::{future::poll_fn, pin::Pin};
    use typebus::IntoBackend;
    let backend = url.into_backend().unwrap();
    let mut counts = Vec::new();
    for topic in topics {
        let topic = typebus::backend::Topic::from(*topic);
        let mut stream = backend.browse(&topic).await.unwrap();
        let mut count = 0;
        while poll_fn(|cx| futures_core::Stream::poll_next(Pin::as_mut(&mut stream), cx)).await.is_some() {
            count += 1;
        }
        counts.push(count);
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn groups_are_prefixed_as_the_broker_sees_them() {
    let told = Wrapped {
        subscribe: |asked| {
            let text = format!("{} wants {}", asked.group, asked.filter);
            Some(Error::new(ErrorKind::Permission, "subscribe", text))
        },
        ..Wrapped::new("memory:")
    };
    let bus = Bus::<Everything>::builder().prefix("staging").connect(told).await.unwrap();
    let error = bus.start().await.unwrap_err();
    assert_eq!(error.to_string(), "subscribe: staging-everything wants staging.>");
}

#[handler]
async fn old(order: Placed, metadata: Metadata, seen: State<Arrived>) -> Paid {
    seen.push((order.number, metadata.topic().to_owned(), "old"));
    Paid { number: order.number, customer: None }
}

#[handler]
async fn paid(payment: Paid, metadata: Metadata, seen: State<Arrived>) {
    seen.push((payment.number, metadata.topic().to_owned(), "paid"));
}

service! { Old = "old" { handles: [old, paid], publishes: [Placed], state: [Arrived] } }

#[tokio::test(start_paused = true)]
async fn a_topic_has_another_name_on_the_broker() {
    for (prefix, name) in [(None, "Orders_v1"), (Some("staging"), "staging.Orders_v1")] {
        let url = broker();
        let seen = Arrived::default();
        let mut builder = Bus::<Old>::builder().state(seen.clone()).rename::<Placed>("Orders_v1");
        if let Some(prefix) = prefix {
            builder = builder.prefix(prefix);
        }
        let bus = builder.connect(&url).await.unwrap();
        assert_eq!(bus.publish(&placed(1)).await.unwrap().topic(), "shop.orders");
        let outside = Foreign::connect(&url).unwrap();
        let payload = r#"{"number":2,"customer":"c"}"#;
        outside.message(name).header("ce_type", "order.placed.v1").payload(payload).send().await.unwrap();
        let running = start(&bus).await;
        caught_up(&running).await;
        let topic = |name: &str| name.to_owned();
        let expected = [
            (1, topic("shop.orders"), "old"),
            (1, topic("shop.payments"), "paid"),
            (2, topic("shop.orders"), "old"),
            (2, topic("shop.payments"), "paid"),
        ];
        assert_eq!(seen.sorted(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn two_topics_can_change_their_names() {
    let seen = Arrived::default();
    let builder = Bus::<Old>::builder().state(seen.clone());
    let builder = builder.rename::<Placed>("shop.payments").rename::<Paid>("shop.orders");
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&placed(1)).await.unwrap();
    let running = start(&bus).await;
    caught_up(&running).await;
    assert_eq!(
        seen.sorted(),
        [(1, "shop.orders".to_owned(), "old"), (1, "shop.payments".to_owned(), "paid")]
    );
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "logs.{level}", name = "logged")]
struct Logged {
    level: String,
}

#[handler(topic = "logs.*", group = "logs")]
async fn log(_: Logged) {}

#[handler(group = "a-group-whose-name-is-as-long-as-it-can")]
async fn long(_: Shipped) {}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p", name = "deep")]
struct Deep {}

#[handler(group = "deep")]
async fn deep(_: Deep) -> Wide {
    Wide {}
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(
    topic = "wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide-wide",
    name = "wide"
)]
struct Wide {}

service! { Odd = "odd" { handles: [log, long, deep], publishes: [Logged, Placed, Paid] } }

#[tokio::test]
async fn names_that_cannot_be_are_refused_with_advice() {
    for (prefix, words) in [
        ("", "letters, digits and `-`"),
        ("a.b", "letters, digits and `-`"),
        ("a_b", "letters, digits and `-`"),
        ("dead", "choose another one"),
        ("reply", "choose another one"),
    ] {
        let error = Bus::<Odd>::builder().prefix(prefix).connect("memory:").await.unwrap_err();
        assert_problems(&error, &[[&format!("the prefix `{prefix}` (builder)"), words]]);
    }
    let error = Bus::<Odd>::builder().prefix("staging").connect("memory:").await.unwrap_err();
    let wide = ["wide"; 36].join("-");
    let wide = format!("topic \"{wide}\"");
    let mut expected = vec![
        ["group `a-group-whose-name-is-as-long-as-it-can`", "of 47 characters, and a group has at most 40"],
        [&wide, "of 187 bytes and 2 tokens"],
        ["topic \"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p\"", "39 bytes and 17 tokens"],
    ];
    let places = |error: &Error| error.problems().iter().map(|p| p.place().to_owned()).collect::<Vec<_>>();
    expected.sort_by_key(|[place, _]| places(&error).iter().position(|found| found == place));
    assert_problems(&error, &expected);

    let error = Bus::<Odd>::builder()
        .rename::<Logged>("logs")
        .rename::<Placed>("dead.orders")
        .rename::<Paid>("pay/ments")
        .rename::<Deep>("logs.deep")
        .rename::<Shipped>("shop.payments")
        .connect("memory:")
        .await
        .unwrap_err();
    assert_problems(
        &error,
        &[
            ["\"logs.{level}\" renamed \"logs\" (builder)", "it has a field"],
            ["\"shop.orders\" renamed \"dead.orders\" (builder)", "reserved"],
            ["\"shop.payments\" renamed \"pay/ments\" (builder)", "letters, digits, `_` and `-`"],
            [
                "\"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p\" renamed \"logs.deep\" (builder)",
                "group logs subscribes to \"logs.*\"",
            ],
            [
                "\"shop.parcels\" renamed \"shop.payments\" (builder)",
                "\"shop.payments\" is called \"shop.payments\"",
            ],
        ],
    );
    // Kafka makes one name of two.
    let error = Bus::<Odd>::builder()
        .rename::<Placed>("both.of_them")
        .rename::<Paid>("both_of.them")
        .connect("memory:")
        .await
        .unwrap_err();
    assert_problems(
        &error,
        &[[
            "\"shop.payments\" renamed \"both_of.them\" (builder)",
            "\"shop.orders\" is called \"both.of_them\"",
        ]],
    );
    // Not the service's, or under its patterns.
    let error = Bus::<Shop>::builder()
        .state(Arrived::default())
        .rename::<Placed>("orders")
        .rename::<Deep>("deep")
        .connect("memory:")
        .await
        .unwrap_err();
    assert_problems(
        &error,
        &[
            ["\"shop.orders\" renamed \"orders\" (builder)", "group audit subscribes to \"shop.>\""],
            [
                "\"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p\" renamed \"deep\" (builder)",
                "service shop has no event on",
            ],
        ],
    );
    // Two events of one topic.
    let error = Bus::<Both>::builder()
        .rename::<Placed>("one")
        .rename::<typebus_tests::Cancelled>("two")
        .connect("memory:")
        .await
        .unwrap_err();
    assert_problems(&error, &[["Cancelled renamed \"two\" (builder)", "rename a topic once"]]);
    let both = Bus::<Both>::builder().rename::<Placed>("one").rename::<typebus_tests::Cancelled>("one");
    assert!(both.connect("memory:").await.is_ok());
}

service! { Both = "both" { publishes: [Placed, typebus_tests::Cancelled] } }

#[tokio::test(start_paused = true)]
async fn a_topic_with_a_field_is_prefixed_when_it_is_published() {
    let url = broker();
    let bus = Bus::<Levels>::builder().prefix("staging").connect(&url).await.unwrap();
    bus.publish(&Logged { level: "warn".into() }).await.unwrap();
    let error = bus.publish(&Logged { level: "w".repeat(175) }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidTopic);
    assert!(error.to_string().contains("188 bytes"), "{error}");
    assert_eq!(raw_topics(&url, &["staging.logs.warn", "logs.warn"]).await, [1, 0]);
}

service! { Levels = "levels" { publishes: [Logged] } }

#[tokio::test]
async fn without_a_name_there_is_nothing_between() {
    let bus = Bus::<Levels>::builder().connect("memory:").await.unwrap();
    assert!(!format!("{bus:?}").contains("Renamed"));
    let bus = Bus::<Levels>::builder().prefix("x").connect("memory:").await.unwrap();
    assert!(format!("{bus:?}").contains("Renamed"));
    // What the backend cannot do is still refused.
    let able = Wrapped::new("memory:");
    let capabilities = Capabilities { patterns: false, ..able.capabilities };
    let backend = Wrapped { capabilities, ..able };
    assert!(Bus::<Everything>::builder().prefix("x").connect(backend).await.is_err());
}
