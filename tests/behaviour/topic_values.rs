//! Topics with a field: which values can stand there, and who hears of those that cannot.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{BoxError, Codec, Error, ErrorKind, Reason, prelude::*};
use typebus_tests::{Ends, Placed, Seen, ends, letters, start};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "{region}.calls.{line}", name = "call.made")]
struct Called {
    region: String,
    line: Option<String>,
}

fn called(region: &str, line: &str) -> Called {
    Called { region: region.to_owned(), line: Some(line.to_owned()) }
}

type Topics = Seen<String>;

#[handler]
async fn listen(_: Called, metadata: Metadata, topics: State<Topics>) {
    topics.push(metadata.topic().to_owned());
}

service! { Exchange = "exchange" { handles: [listen], publishes: [Called], state: [Topics] } }

async fn exchange() -> (Bus<Exchange>, Topics) {
    let topics = Topics::default();
    (Bus::<Exchange>::builder().state(topics.clone()).connect("memory:").await.unwrap(), topics)
}

/// Asserts that the error names event, field and template.
fn assert_invalid(error: &Error, field: &str) {
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidTopic, "publish"), "{error}");
    let text = error.to_string();
    for word in ["Called", &format!("`{field}`"), "\"{region}.calls.{line}\""] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_no_token_is_refused_before_anything_is_sent() {
    let (bus, topics) = exchange().await;
    let bad = [
        "", " ", "a b", ".", "a.b", "a.", "*", ">", "a*", "größe", "日本", "{line}", "a\n", "a\0", "a/b",
        "a:b",
    ];
    for value in bad {
        assert_invalid(&bus.publish(&called("eu", value)).await.unwrap_err(), "line");
        assert_invalid(&bus.publish(&called(value, "1")).await.unwrap_err(), "region");
    }
    assert_invalid(&bus.publish(&Called { region: "eu".into(), line: None }).await.unwrap_err(), "line");
    for reserved in ["dead", "reply"] {
        assert_invalid(&bus.publish(&called(reserved, "1")).await.unwrap_err(), "region");
    }
    let running = start(&bus).await;
    assert_eq!((topics.count(), running.stats().published().map(|(_, count)| count).sum::<u64>()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn every_token_is_accepted() {
    let (bus, topics) = exchange().await;
    let good = [
        ("eu", "dead"),
        ("us", "reply"),
        ("deadline", "0"),
        ("Dead", "-"),
        ("replying", "_"),
        ("A-b_9", "x"),
    ];
    for (region, line) in good {
        let receipt = bus.publish(&called(region, line)).await.unwrap();
        assert_eq!(receipt.topic(), format!("{region}.calls.{line}"));
    }
    start(&bus).await;
    let mut expected = good.map(|(region, line)| format!("{region}.calls.{line}"));
    expected.sort();
    assert_eq!(topics.sorted(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_as_long_as_one_can_be_and_no_longer() {
    let (bus, topics) = exchange().await;
    let long = |bytes: usize| called("eu", &"l".repeat(bytes - "eu.calls.".len()));
    assert_eq!(bus.publish(&long(180)).await.unwrap().topic().len(), 180);
    for bytes in [181, 100_000] {
        let error = bus.publish(&long(bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidTopic);
        let text = error.to_string();
        for words in ["Called", "{region}.calls.{line}", &format!("{bytes} bytes"), "at most 180"] {
            assert!(text.contains(words), "{words} is not in {text}");
        }
        assert!(text.len() < 512, "the value is cut: {} bytes", text.len());
    }
    let error = bus.publish(&called("eu", &" ".repeat(100_000))).await.unwrap_err();
    assert_invalid(&error, "line");
    assert!(error.to_string().len() < 512, "the value is cut: {} bytes", error.to_string().len());
    start(&bus).await;
    assert_eq!(topics.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_of_several_has_its_own_result() {
    let (bus, topics) = exchange().await;
    let calls = [called("eu", "1"), called("eu", "*"), called("us", "2"), called("", ""), called("eu", "3")];
    let results = bus.publish_all(&calls).await;
    let said: Vec<_> =
        results.iter().map(|result| result.as_ref().map(typebus::Receipt::topic).ok()).collect();
    assert_eq!(said, [Some("eu.calls.1"), None, Some("us.calls.2"), None, Some("eu.calls.3")]);
    // Where several fields are wrong, the first is named.
    for (result, field) in [(&results[1], "line"), (&results[3], "region")] {
        assert_invalid(result.as_ref().unwrap_err(), field);
    }
    start(&bus).await;
    assert_eq!(topics.count(), 3);
}

/// Text whose topics are never read.
struct Nothing;

impl<E> Codec<E> for Nothing {
    const CONTENT_TYPE: &'static str = "application/x-nothing";

    fn encode(_: &E, _: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(())
    }

    fn decode(_: &[u8]) -> Result<E, BoxError> {
        Err("nothing is there".into())
    }
}

#[derive(Key)]
struct Owner(String);

#[derive(Key)]
struct Number(u16);

#[derive(Event)]
#[event(topic = "kinds.{integer}.{mark}.{trace}.{flag}.{owner}.{number}.{boxed}", name = "kinds", format = Nothing)]
struct Kinds {
    integer: i64,
    mark: char,
    trace: Uuid,
    flag: bool,
    owner: Owner,
    number: Option<Number>,
    boxed: Box<str>,
}

#[handler(dead_letter = discard)]
async fn kinds(_: Kinds) {}

service! { Sorts = "sorts" { handles: [kinds], publishes: [Kinds] } }

#[tokio::test]
async fn whatever_can_be_a_key_can_stand_in_a_topic() {
    let bus = Bus::<Sorts>::builder().connect("memory:").await.unwrap();
    let of = |mark: char, owner: &str| Kinds {
        integer: -7,
        mark,
        trace: Uuid::from_u128(1),
        flag: true,
        owner: Owner(owner.to_owned()),
        number: Some(Number(65_535)),
        boxed: "b".into(),
    };
    let receipt = bus.publish(&of('x', "acme")).await.unwrap();
    assert_eq!(receipt.topic(), "kinds.-7.x.00000000-0000-0000-0000-000000000001.true.acme.65535.b");
    for (wrong, field) in [(of('ü', "acme"), "mark"), (of('.', "acme"), "mark"), (of('x', "a.b"), "owner")] {
        let error = bus.publish(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidTopic);
        assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
    }
}

#[handler]
async fn dial(order: Placed, publisher: Publisher<Called>, said: State<Said>) {
    let error = publisher.publish(&called("eu", &order.customer)).await.unwrap_err();
    assert_invalid(&error, "line");
    said.0.push(publisher.publish(&called("eu", "1")).await.unwrap().topic().to_owned());
}

#[derive(Clone, Default)]
struct Said(Seen<String>);

service! { Dialler = "dialler" { handles: [dial], publishes: [Placed], state: [Said] } }

#[tokio::test(start_paused = true)]
async fn a_handler_that_publishes_sees_the_error() {
    let said = Said::default();
    let bus = Bus::<Dialler>::builder().state(said.clone()).connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 1, customer: "a.b".into() }).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(said.0.all(), ["eu.calls.1"]);
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
}

#[handler(retry(attempts = 5))]
async fn forward(order: Placed) -> Called {
    called("eu", &order.customer)
}

service! { Forwarder = "forwarder" { handles: [forward], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn what_a_handler_returned_in_vain_is_a_dead_letter_at_once() {
    let bus = Bus::<Forwarder>::builder().connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 1, customer: "a b".into() }).await.unwrap();
    bus.publish(&Placed { number: 2, customer: "ab".into() }).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&bus, "forwarder").await;
    assert_eq!((letters[0].reason(), letters[0].attempts()), (Reason::PublishFailed, 1));
    let error = letters[0].error();
    assert!(
        error.contains("Called") && error.contains("`line`") && error.contains("{region}.calls.{line}"),
        "{error}"
    );
}
