//! Structured CloudEvents on receipt: what others write as one JSON object is read as if it had been written as headers
//! and a payload.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{
    DeadLetter, FromDelivery, Incoming, Reason,
    backend::{Attribute, Header},
    prelude::*,
    testing::{Foreign, ForeignMessage},
};
use typebus_tests::{Cancelled, Ends, Placed, Seen, broker, ends, letters, patiently, start};

const ONE: &str = "application/cloudevents+json";

/// An event that tells numbers apart which are equal to most readers of JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.weighed")]
struct Weighed {
    #[serde(default)]
    grams: f64,
}

/// All that a handler can see: attributes, other headers, key and payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sight {
    /// `name: value` and `name = value`, in their order.
    attributes: Vec<String>,
    headers: Vec<String>,
    key: Option<String>,
    payload: String,
}

impl FromDelivery for Sight {
    type Needs = ();
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Failure> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let message = incoming.message();
        let mut sight =
            Self { key: message.key().map(text), payload: text(message.payload()), ..Self::default() };
        for header in message.headers() {
            match header {
                Header::Attribute(attribute, value) => {
                    sight.attributes.push(format!("{}: {}", attribute.name(), text(value)));
                }
                Header::Plain(name, value) => sight.headers.push(format!("{} = {}", text(name), text(value))),
            }
        }
        Ok(sight)
    }
}

type Sights = Seen<Sight>;
type Said = Seen<String>;

#[handler]
async fn take(_: Placed, sight: Sight, sights: State<Sights>) {
    sights.push(sight);
}

#[handler]
async fn weigh(_: Weighed, sight: Sight, sights: State<Sights>) {
    sights.push(sight);
}

#[handler(topic = "shop.>", group = "audit")]
async fn audit(event: AnyEvent, said: State<Said>) {
    let metadata = event.metadata();
    let payload = String::from_utf8_lossy(event.payload()).into_owned();
    said.push(format!(
        "{} v{} {} {} {:?} {:?} {payload}",
        event.name(),
        event.version(),
        metadata.id(),
        metadata.source(),
        metadata.time().map(|time| time.to_rfc3339()),
        metadata.key(),
    ));
}

service! { Shop = "shop" { handles: [take, weigh], publishes: [Placed, Cancelled, Weighed], state: [Sights] } }
service! { Sole = "sole" { handles: [take], publishes: [Placed], state: [Sights] } }
service! { Audit = "audit" { handles: [audit], state: [Said] } }

/// A service, a producer that knows nothing of it, and what its handlers saw.
struct Scene<S> {
    bus: Bus<S>,
    foreign: Foreign,
    sights: Sights,
}

impl<S: typebus::Service + typebus::StateOf<Sights>> Scene<S> {
    async fn set() -> Self {
        let (url, sights) = (broker(), Sights::default());
        let bus = Bus::<S>::builder().state(sights.clone()).connect(&url).await.unwrap();
        Self { bus, foreign: Foreign::connect(url).unwrap(), sights }
    }

    fn message(&self) -> ForeignMessage<'_> {
        self.foreign.message("shop.orders")
    }

    async fn send(&self, body: &str) {
        self.message().header("content-type", ONE).payload(body).send().await.unwrap();
    }

    /// Runs everything, of which `dead` become dead letters.
    async fn play(&self, handled: u64, dead: u64) -> Vec<DeadLetter> {
        let running = start(&self.bus).await;
        assert_eq!(ends(&running), Ends { handled, dead_lettered: dead, ..Ends::NONE });
        let letters = letters(&self.bus, S::DESCRIPTOR.name()).await;
        assert_eq!(letters.len() as u64, dead);
        letters
    }

    fn only(&self) -> Sight {
        let sights = self.sights.all();
        assert_eq!(sights.len(), 1);
        sights[0].clone()
    }
}

const ORDER: &str = r#"{"number":7,"customer":"ann"}"#;

/// A structured order with more members.
fn order(more: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","type":"order.placed.v1","id":"1","source":"/till"{more},"data":{ORDER}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn every_attribute_becomes_one_of_the_envelope_and_every_extension_a_header() {
    let scene = Scene::<Shop>::set().await;
    let body = r#" {
        "data" : {"number": 7, "customer": "ann"} ,
        "id": "A-1", "source": "/till/größe", "specversion": "1.0", "type": "order.placed.v1",
        "time": "2026-11-24T05:51:08.123+01:00", "subject": "an \"order\"\n\u00fc", "datacontenttype": "application/json",
        "partitionkey": "ann", "correlationid": "c", "causationid": "b",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b",
        "count": 3, "big": -12345678901234567890, "sure": true, "nothing": null, "dataschema": "https://shop/order"
    } "#;
    let message = scene.message().header("content-type", format!("{ONE}; charset=utf-8"));
    message.header("tenant", "acme").payload(body).send().await.unwrap();
    scene.play(1, 0).await;
    let Sight { mut attributes, headers, key, payload } = scene.only();
    attributes.sort();
    assert_eq!(
        attributes,
        [
            "causationid: b",
            "correlationid: c",
            "datacontenttype: application/json",
            "id: A-1",
            "partitionkey: ann",
            "source: /till/größe",
            "specversion: 1.0",
            "time: 2026-11-24T05:51:08.123+01:00",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate: a=b",
            "type: order.placed.v1",
        ]
    );
    let expected = [
        "ce-subject = an \"order\"\nü",
        "ce-count = 3",
        "ce-big = -12345678901234567890",
        "ce-sure = true",
        "ce-dataschema = https://shop/order",
        "tenant = acme",
    ];
    assert_eq!(headers, expected);
    assert_eq!(key.as_deref(), Some("ann"), "the partition key is the key of a message without one");
    assert_eq!(payload, r#"{"number": 7, "customer": "ann"}"#, "to the byte");
}

#[tokio::test(start_paused = true)]
async fn metadata_of_any_event_are_those_of_the_structured_one() {
    let (url, said) = (broker(), Said::default());
    let bus = Bus::<Audit>::builder().state(said.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let body = order(r#","time":"2026-11-24T05:51:08Z","partitionkey":"ann""#);
    foreign.message("shop.orders").payload(&body).send().await.unwrap();
    let body = body.replace("order.placed.v1", "order.lost.v7");
    foreign
        .message("shop.orders")
        .key("bob")
        .header("content-type", ONE)
        .payload(&body)
        .send()
        .await
        .unwrap();
    start(&bus).await;
    let time = r#"Some("2026-11-24T05:51:08+00:00")"#;
    let expected = [
        format!(r#"order.lost v7 1 /till {time} Some("bob") {ORDER}"#),
        format!(r#"order.placed v1 1 /till {time} Some("ann") {ORDER}"#),
    ];
    assert_eq!(said.sorted(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_message_with_a_key_keeps_it() {
    let scene = Scene::<Shop>::set().await;
    let message = scene.message().key("bob").header("content-type", ONE);
    message.payload(order(r#","partitionkey":"ann""#)).send().await.unwrap();
    scene.play(1, 0).await;
    let Sight { key, attributes, .. } = scene.only();
    assert_eq!(key.as_deref(), Some("bob"));
    assert!(attributes.contains(&"partitionkey: ann".to_owned()), "{attributes:?}");
}

#[tokio::test(start_paused = true)]
async fn numbers_do_not_change() {
    let scene = Scene::<Shop>::set().await;
    let datas =
        [r#"{"grams":1.0}"#, r#"{ "grams" : 1e0 }"#, r#"{"grams":0.1000000000000000055511151231257827}"#];
    for data in datas {
        scene
            .send(&format!(
                r#"{{"specversion":"1.0","type":"order.weighed","id":"1","source":"s","data":{data}}}"#
            ))
            .await;
    }
    scene.play(3, 0).await;
    let mut payloads: Vec<_> = scene.sights.all().into_iter().map(|sight| sight.payload).collect();
    payloads.sort();
    let mut expected = datas;
    expected.sort_unstable();
    assert_eq!(payloads, expected);
}

#[tokio::test(start_paused = true)]
async fn a_structured_event_is_known_without_its_content_type() {
    let scene = Scene::<Shop>::set().await;
    let body = order("");
    // Go over NATS, Dapr, and JSON of every kind.
    for content_type in
        [None, Some("text/plain"), Some("text/plain; charset=utf-8"), Some("application/json")]
    {
        let message = scene.message();
        let message =
            content_type.into_iter().fold(message, |message, ct| message.header("content-type", ct));
        message.payload(&body).send().await.unwrap();
    }
    scene
        .message()
        .header("Content-Type", "Application/CloudEvents+JSON;v=1")
        .payload(&body)
        .send()
        .await
        .unwrap();
    scene.message().header("ce-datacontenttype", ONE).payload(format!("\n {body}")).send().await.unwrap();
    scene.play(6, 0).await;
    let sights = scene.sights.all();
    assert!(sights.iter().all(|sight| sight == &sights[0]), "{sights:?}");
    assert_eq!(sights[0].payload, ORDER);
}

#[tokio::test(start_paused = true)]
async fn where_a_message_is_both_the_structured_event_is_meant() {
    for kind in ["order.placed.v1", "order.weighed.v1", "order.lost.v1"] {
        let scene = Scene::<Shop>::set().await;
        let message =
            scene.message().header("ce_type", kind).header("ce_id", "other").header("ce_tenant", "x");
        let message = message.header("content-type", ONE).header("traceparent", "from the transport");
        message.payload(order("")).send().await.unwrap();
        scene.play(1, 0).await;
        let Sight { attributes, headers, .. } = scene.only();
        let expected = [
            "type: order.placed.v1",
            "datacontenttype: application/json",
            "specversion: 1.0",
            "id: 1",
            "source: /till",
            "traceparent: from the transport",
        ];
        assert_eq!(attributes, expected, "{kind}");
        assert_eq!(headers, [""; 0], "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_with_a_type_and_another_content_type_is_no_structured_one() {
    let scene = Scene::<Shop>::set().await;
    let payload = r#"{"specversion":"1.0","type":"order.weighed","number":7,"customer":"ann"}"#;
    scene.message().header("ce_type", "order.placed.v1").payload(payload).send().await.unwrap();
    scene.play(1, 0).await;
    assert_eq!(scene.only().payload, payload);
}

#[tokio::test(start_paused = true)]
async fn plain_json_stays_what_it_is() {
    let scene = Scene::<Sole>::set().await;
    let plain = [
        ORDER.to_owned(),
        r#"{"number":7,"customer":"\"specversion\""}"#.to_owned(),
        r#"{"number":7,"customer":"ann","inner":{"specversion":"1.0"}}"#.to_owned(),
        r#"{"number":7,"customer":"ann","specversion":1}"#.to_owned(),
    ];
    for body in &plain {
        scene.message().payload(body).send().await.unwrap();
    }
    scene.play(4, 0).await;
    let mut payloads: Vec<_> = scene.sights.all().into_iter().map(|sight| sight.payload).collect();
    payloads.sort();
    let mut expected = plain.to_vec();
    expected.sort();
    assert_eq!(payloads, expected);
}

#[tokio::test(start_paused = true)]
async fn without_a_type_it_is_the_only_event_of_its_topic_or_a_dead_letter() {
    let body = order("").replace(r#""type":"order.placed.v1","#, "");
    let scene = Scene::<Sole>::set().await;
    scene.send(&body).await;
    scene.play(1, 0).await;
    assert_eq!(scene.only().payload, ORDER);

    let scene = Scene::<Shop>::set().await;
    scene.send(&body).await;
    let letters = scene.play(0, 1).await;
    assert_eq!((letters[0].reason(), letters[0].payload()), (Reason::NoType, body.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn data_is_base64_text_or_nothing_as_its_content_type_says() {
    let scene = Scene::<Shop>::set().await;
    let base64 = "eyJudW1iZXIiOjcsImN1c3RvbWVyIjoiYW5uIn0=";
    for data in [
        format!(r#""data_base64":"{base64}""#),
        format!(r#""data_base64":"{}""#, base64.trim_end_matches('=')),
        format!(r#""data":null,"data_base64":"{}""#, base64.replace('J', "\\u004a")),
        format!(r#""data":{ORDER},"data_base64":null"#),
        format!(r#""datacontenttype":null,"data":{ORDER}"#),
        format!(r#""datacontenttype":"text/json","data":{ORDER}"#),
    ] {
        scene.send(&order("").replace(&format!(r#""data":{ORDER}"#), &data)).await;
    }
    scene.play(6, 0).await;
    assert!(scene.sights.all().iter().all(|sight| sight.payload == ORDER));
}

#[derive(Debug, Event)]
#[event(topic = "shop.notes", name = "note", format = Note)]
struct Note(Vec<u8>);

impl typebus::Codec<Self> for Note {
    const CONTENT_TYPE: &'static str = "application/octet-stream";

    fn encode(note: &Self, into: &mut Vec<u8>) -> Result<(), typebus::BoxError> {
        into.extend_from_slice(&note.0);
        Ok(())
    }

    fn decode(payload: &[u8]) -> Result<Self, typebus::BoxError> {
        Ok(Self(payload.to_vec()))
    }

    fn reads(content_type: &str) -> bool {
        matches!(content_type, "application/octet-stream" | "text/xml")
    }
}

#[handler]
async fn read(note: Note, said: State<Said>) {
    said.push(format!("{:?}", String::from_utf8_lossy(&note.0)));
}

service! { Notes = "notes" { handles: [read], publishes: [Note], state: [Said] } }

#[tokio::test(start_paused = true)]
async fn data_of_another_content_type_goes_to_its_codec() {
    let (url, said) = (broker(), Said::default());
    let bus = Bus::<Notes>::builder().state(said.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for data in [
        r#""datacontenttype":"text/xml","data":"<a b=\"c\">\u00e4</a>""#,
        r#""datacontenttype":"application/octet-stream","data_base64":"AP8B""#,
        r#""datacontenttype":"application/octet-stream","data_base64":"""#,
        r#""datacontenttype":"application/octet-stream","data":null"#,
        r#""datacontenttype":"application/octet-stream""#,
    ] {
        let body = format!(r#"{{"specversion":"1.0","type":"note.v1","id":"1","source":"s",{data}}}"#);
        foreign.message("shop.notes").payload(body).send().await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 5, ..Ends::NONE });
    assert_eq!(said.sorted(), [r#""""#, r#""""#, r#""""#, r#""<a b=\"c\">ä</a>""#, r#""\0�\u{1}""#]);
}

#[tokio::test(start_paused = true)]
async fn what_is_malformed_is_a_dead_letter_that_says_what_and_where() {
    let with = |more: &str| order(more);
    let bad = [
        (String::new(), "line 1 column 0"),
        ("{".to_owned(), "line 1 column 1"),
        ("[]".to_owned(), "expected an object"),
        ("null".to_owned(), "expected an object"),
        (r#"{"specversion":"1.0""#.to_owned(), "line 1 column 20"),
        (r#"{"type":"order.placed.v1"}"#.to_owned(), "no `specversion`"),
        (with("").replace("1.0", "2.0"), "`2.0`"),
        (with("").replace("1.0", "0.3"), "`0.3`"),
        (with("").replace("\"1.0\"", "{}"), "`specversion`"),
        (with("").replace("/till", ""), "`source` is empty"),
        (with(r#","id":"1""#), "`id` is there twice"),
        (with(r#","more":{"a":1}"#), "`more`"),
        (with(r#","more":[]"#), "`more`"),
        (with(r#","more":"\ud800""#), "`more`"),
        (with(r#","data_base64":"AAAA""#), "both `data` and `data_base64`"),
        (with("").replace(ORDER, "{]"), "line 1 column"),
        (
            with(&(0..60).fold(String::new(), |mut all, nth| {
                let _ = write!(all, r#","x{nth}":"""#);
                all
            })),
            "65 members",
        ),
    ];
    for (base64, said) in [
        ("A", "first of four"),
        ("AA=", "multiple of 4"),
        ("A A=", "' ' at character 1"),
        ("AA-_", "'-'"),
        ("==", "multiple of 4"),
    ] {
        let scene = Scene::<Shop>::set().await;
        scene
            .send(&with("").replace(&format!(r#""data":{ORDER}"#), &format!(r#""data_base64":"{base64}""#)))
            .await;
        let letters = scene.play(0, 1).await;
        assert!(
            letters[0].error().contains("no Base64") && letters[0].error().contains(said),
            "{}",
            letters[0].error()
        );
    }
    let scene = Scene::<Shop>::set().await;
    for (body, _) in &bad {
        scene
            .message()
            .key("k")
            .header("tenant", "acme")
            .header("content-type", ONE)
            .payload(body)
            .send()
            .await
            .unwrap();
    }
    let letters = scene.play(0, bad.len() as u64).await;
    for (letter, (body, said)) in letters.iter().zip(&bad) {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0), "{body}");
        let error = letter.error();
        assert!(error.contains("no structured CloudEvent") && error.contains(said), "{body}: {error}");
        assert_eq!((letter.payload(), letter.metadata().key()), (body.as_bytes(), Some("k")));
        assert_eq!(letter.metadata().header("tenant"), Some("acme"));
    }
    // It need not say that it is one.
    let scene = Scene::<Shop>::set().await;
    scene.message().payload(with(r#","more":[]"#)).send().await.unwrap();
    let letters = scene.play(0, 1).await;
    assert_eq!(letters[0].reason(), Reason::Undecodable);
    assert!(letters[0].error().contains("has a `specversion`"), "{}", letters[0].error());
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_events_is_a_dead_letter_that_says_so() {
    let scene = Scene::<Shop>::set().await;
    let body = format!("[{}]", order(""));
    let content_type = "application/cloudevents-batch+json; charset=utf-8";
    scene.message().header("content-type", content_type).payload(&body).send().await.unwrap();
    let letters = scene.play(0, 1).await;
    assert_eq!((letters[0].reason(), letters[0].payload()), (Reason::Undecodable, body.as_bytes()));
    assert!(letters[0].error().contains("a batch of CloudEvents is not read"), "{}", letters[0].error());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_has_the_bytes_that_came_and_not_what_was_made_of_them() {
    let scene = Scene::<Shop>::set().await;
    let bodies = [
        // The data are no order; the version is not handled; more headers than are read, and larger ones.
        order("").replace(ORDER, "7"),
        order("").replace(".v1", ".v9"),
        order(&format!(r#","large":"{}""#, "x".repeat(20_000))),
    ];
    let reasons = [Reason::Undecodable, Reason::UnknownVersion, Reason::Headers];
    for body in &bodies {
        let message = scene.message().header("content-type", ONE).header("tenant", "acme");
        message.payload(body).send().await.unwrap();
    }
    let letters = scene.play(0, 3).await;
    for body in &bodies {
        let letter = letters.iter().find(|letter| letter.payload() == body.as_bytes()).expect(body);
        let metadata = letter.metadata();
        assert_eq!((metadata.key(), metadata.header("tenant"), metadata.id()), (None, Some("acme"), ""));
        assert!(metadata.headers().all(|(name, _)| name == b"tenant" || name.starts_with(b"typebus-")));
    }
    let mut said: Vec<_> = letters.iter().map(|letter| letter.reason().to_string()).collect();
    said.sort();
    let mut expected = reasons.map(|reason| reason.to_string());
    expected.sort();
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn a_large_structured_event_is_read() {
    let scene = Scene::<Shop>::set().await;
    let large = format!(r#"{{"number":7,"customer":"{}"}}"#, "x".repeat(200_000));
    scene.send(&order("").replace(ORDER, &large)).await;
    // As deep as JSON may be is for the event to say, not for what is around it.
    scene.send(&order("").replace(ORDER, &"[".repeat(100_000))).await;
    scene.send(&order("").replace(ORDER, &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))).await;
    let letters = scene.play(1, 2).await;
    assert!(letters.iter().all(|letter| letter.reason() == Reason::Undecodable));
    assert_eq!(scene.only().payload, large);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_handled_is_skipped() {
    let scene = Scene::<Shop>::set().await;
    scene.send(&order("").replace("order.placed", "order.lost")).await;
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { skipped: 1, ..Ends::NONE });
}

#[handler(group = "strict", unhandled = dead_letter)]
async fn strict(_: Placed) {}

service! { Strict = "strict" { handles: [strict], publishes: [Cancelled] } }

#[handler(group = "stopper", unhandled = stop)]
async fn stop(_: Placed) {}

service! { Stopper = "stopper" { handles: [stop], publishes: [Cancelled] } }

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_handled_is_a_dead_letter_or_the_end_where_that_is_asked_for() {
    let url = broker();
    let strict = Bus::<Strict>::builder().connect(&url).await.unwrap();
    let stopper = Bus::<Stopper>::builder().connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let body = order("").replace("order.placed", "order.lost");
    foreign.message("shop.orders").payload(&body).send().await.unwrap();
    let running = start(&strict).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    let letters = letters(&strict, "strict").await;
    assert_eq!((letters[0].reason(), letters[0].payload()), (Reason::Unhandled, body.as_bytes()));

    let running = stopper.start().await.unwrap();
    let error = patiently(running.finished()).await.unwrap_err();
    assert!(error.to_string().contains("order.lost.v1"), "{error}");
}

/// What a handler returns has the structured event as its cause, and the same ids as for the same event in headers.
#[handler(group = "echo")]
async fn echo(order: Placed) -> Cancelled {
    Cancelled { number: order.number, customer: order.customer }
}

service! { Echo = "echo" { handles: [echo], publishes: [Placed] } }

#[handler(topic = "shop.orders", group = "heard")]
async fn hear(_: Cancelled, sight: Sight, sights: State<Sights>) {
    sights.push(sight);
}

service! { Heard = "heard" { handles: [hear], state: [Sights] } }

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_is_caused_by_the_structured_event() {
    let (url, sights) = (broker(), Sights::default());
    let echo = Bus::<Echo>::builder().connect(&url).await.unwrap();
    let heard = Bus::<Heard>::builder().state(sights.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    foreign.message("shop.orders").header("content-type", ONE).payload(order("")).send().await.unwrap();
    let binary = foreign.message("shop.orders").header("ce_type", "order.placed.v1").header("ce_id", "1");
    binary.header("ce_source", "/till").payload(ORDER).send().await.unwrap();
    start(&echo).await;
    start(&heard).await;
    let all = sights.reached(2).await;
    let find = |sight: &Sight, attribute: Attribute| {
        let prefix = format!("{}: ", attribute.name());
        sight.attributes.iter().find_map(|text| text.strip_prefix(&prefix).map(str::to_owned))
    };
    assert_eq!(find(&all[0], Attribute::CausationId).as_deref(), Some("1"));
    assert_eq!(find(&all[0], Attribute::Id), find(&all[1], Attribute::Id));
}
