//! Events that are prepared now and published later: the same event, with the same id, as often as it is sent.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{BoxError, Codec, ErrorKind, Prepared, backend::Attribute, prelude::*};
use typebus_tests::{Invoiced, Paid, Placed, Seen, caught_up, start};

use crate::wrapped::Wrapped;

/// Bytes that are no text.
struct Raw;

impl Codec<Blob> for Raw {
    const CONTENT_TYPE: &'static str = "application/octet-stream";

    fn encode(event: &Blob, into: &mut Vec<u8>) -> Result<(), BoxError> {
        into.extend_from_slice(&event.0);
        Ok(())
    }

    fn decode(payload: &[u8]) -> Result<Blob, BoxError> {
        Ok(Blob(payload.to_vec()))
    }
}

#[derive(Event)]
#[event(topic = "shop.blobs", format = Raw)]
struct Blob(Vec<u8>);

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.{tenant}.visits", name = "visit")]
struct Visit {
    tenant: String,
}

/// Topic, id, key, payload, header `channel`.
type Line = (String, String, Option<String>, Vec<u8>, Option<String>);

#[derive(Clone, Default)]
struct Lines(Seen<Line>);

#[handler(topic = "shop.>", group = "audit")]
async fn note(event: AnyEvent, lines: State<Lines>) {
    let metadata = event.metadata();
    lines.0.push((
        metadata.topic().to_owned(),
        metadata.id().to_owned(),
        metadata.key().map(ToOwned::to_owned),
        event.payload().to_vec(),
        metadata.header("channel").map(ToOwned::to_owned),
    ));
}

service! {
    Shop = "shop" { handles: [note], publishes: [Placed, Paid, Invoiced, Blob, Visit], state: [Lines] }
}
service! { Other = "other" { publishes: [Placed] } }

async fn connect(lines: &Lines) -> Bus<Shop> {
    Bus::<Shop>::builder().state(lines.clone()).connect("memory:").await.unwrap()
}

fn placed() -> Placed {
    Placed { number: 1, customer: "ada".into() }
}

#[tokio::test(start_paused = true)]
async fn a_prepared_event_is_published_as_it_was_prepared_every_time() {
    let lines = Lines::default();
    let backend = Wrapped::new("memory:");
    let sent = backend.sent.clone();
    let bus = Bus::<Shop>::builder().state(lines.clone()).connect(backend).await.unwrap();
    let prepared = bus.publish(&placed()).key("k").header("channel", "web").prepare().unwrap();
    assert_eq!((prepared.topic(), prepared.source(), prepared.key()), ("shop.orders", "shop", Some("k")));
    assert_eq!(prepared.headers().collect::<Vec<_>>(), [("channel", "web")]);
    assert_eq!(sent.count(), 0, "nothing is sent before");
    tokio::time::sleep(Duration::from_secs(60)).await;
    for _ in 0..2 {
        let receipt = bus.publish_prepared(&prepared).await.unwrap();
        assert_eq!((receipt.id(), receipt.topic()), (prepared.id(), "shop.orders"));
        assert!(receipt.position().is_some());
    }
    let running = start(&bus).await;
    let payload = br#"{"number":1,"customer":"ada"}"#.to_vec();
    let line =
        ("shop.orders".into(), prepared.id().to_owned(), Some("k".to_owned()), payload, Some("web".into()));
    assert_eq!(lines.0.all(), [line.clone(), line]);
    let times: Vec<_> =
        sent.all().iter().map(|s| s.message.attribute(Attribute::Time).unwrap().to_vec()).collect();
    assert_eq!(times[0], times[1], "the time is that of the preparation");
    let published = running.stats().published().find(|(topic, _)| *topic == "shop.orders").unwrap().1;
    assert_eq!(published, 2);
}

#[tokio::test(start_paused = true)]
async fn ids_are_given_as_in_publishing() {
    let bus = connect(&Lines::default()).await;
    let ids: Vec<_> = (0..2).map(|_| bus.prepare(&placed()).unwrap().id().to_owned()).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(uuid::Uuid::parse_str(&ids[0]).unwrap().get_version_num(), 7);
    assert_eq!(bus.prepare(&Invoiced { invoice: "i-7".into() }).unwrap().id(), "i-7");
    assert_eq!(bus.publish(&placed()).id("mine").prepare().unwrap().id(), "mine");
    assert_eq!(bus.prepare(&Visit { tenant: "acme".into() }).unwrap().topic(), "shop.acme.visits");
    let publisher = bus.publisher::<Placed>();
    assert_eq!(publisher.publish(&placed()).prepare().unwrap().key(), Some("ada"));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_when_it_is_prepared() {
    let bus = connect(&Lines::default()).await;
    let anonymous = Placed { customer: String::new(), ..placed() };
    assert_eq!(bus.prepare(&anonymous).unwrap_err().kind(), ErrorKind::InvalidKey);
    let nowhere = Visit { tenant: "a.b".into() };
    assert_eq!(bus.prepare(&nowhere).unwrap_err().kind(), ErrorKind::InvalidTopic);
    assert_eq!(bus.prepare(&Blob(vec![0; 1024 * 1024])).unwrap_err().kind(), ErrorKind::TooLarge);
    let publish = || bus.publish(&placed());
    let header = publish().header("Bad", "x").prepare().unwrap_err();
    assert_eq!(header.kind(), ErrorKind::InvalidHeader);
    let second = Duration::from_secs(1);
    for publish in [publish().delay(second), publish().expires_in(second), publish().partition(0)] {
        let error = publish.prepare().unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, "prepare"));
        assert!(error.to_string().contains("after `publish_prepared`"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sending_may_ask_the_backend_for_more_and_the_envelope_is_fixed() {
    let mut backend = Wrapped::new("memory:");
    (backend.capabilities.delay, backend.capabilities.expiry) = (true, false);
    let sent = backend.sent.clone();
    let bus = Bus::<Shop>::builder().state(Lines::default()).connect(backend).await.unwrap();
    let prepared = bus.prepare(&placed()).unwrap();
    let second = Duration::from_secs(1);
    bus.publish_prepared(&prepared).delay(second).await.unwrap();
    assert_eq!(sent.all()[0].options.as_ref().unwrap().delay, Some(second));
    let error = bus.publish_prepared(&prepared).expires_in(second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let again = || bus.publish_prepared(&prepared);
    for publish in [again().key("k"), again().header("channel", "web"), again().id("mine")] {
        let error = publish.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("when it is prepared"), "{error}");
    }
    assert_eq!(sent.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_survives_being_written_down_in_a_form_that_stays() {
    let lines = Lines::default();
    let bus = connect(&lines).await;
    let originals = [
        bus.publish(&placed()).header("channel", "web").prepare().unwrap(),
        bus.prepare(&Paid { number: 2, customer: None }).unwrap(),
        bus.prepare(&Blob(vec![0xff, 0x00, b'a'])).unwrap(),
        bus.prepare(&Visit { tenant: "acme".into() }).unwrap(),
    ];
    for original in &originals {
        let read = Prepared::from_bytes(&original.to_bytes()).unwrap();
        let as_serde: Prepared = serde_json::from_value(serde_json::to_value(original).unwrap()).unwrap();
        for read in [read, as_serde] {
            assert_eq!(
                (read.id(), read.topic(), read.key()),
                (original.id(), original.topic(), original.key())
            );
            assert_eq!(read.payload(), original.payload());
            assert_eq!(read.headers().collect::<Vec<_>>(), original.headers().collect::<Vec<_>>());
            assert_eq!(read.to_bytes(), original.to_bytes());
            bus.publish_prepared(&read).await.unwrap();
        }
    }
    start(&bus).await;
    assert_eq!(lines.0.count(), 8);
    for original in &originals {
        let same = lines
            .0
            .all()
            .into_iter()
            .filter(|(_, id, _, payload, _)| id == original.id() && payload == original.payload());
        assert_eq!(same.count(), 2);
    }

    // As documented; what an outbox holds must be readable by later versions.
    let form: serde_json::Value = serde_json::from_slice(&originals[0].to_bytes()).unwrap();
    assert_eq!(form[0], 1);
    assert_eq!((&form[1], &form[2]), (&"shop.orders".into(), &"ada".into()));
    assert_eq!(form[3][0], serde_json::json!(["ce-type", "order.placed.v1"]));
    let headers = form[3].as_array().unwrap();
    assert_eq!(headers.last().unwrap(), &serde_json::json!(["channel", "web"]));
    assert!(headers.contains(&serde_json::json!(["ce-id", originals[0].id()])));
    assert_eq!(form[4], serde_json::json!(["text", r#"{"number":1,"customer":"ada"}"#]));
    assert_eq!(form.as_array().unwrap().len(), 5);
    let form: serde_json::Value = serde_json::from_slice(&originals[2].to_bytes()).unwrap();
    assert_eq!((&form[2], &form[4]), (&serde_json::Value::Null, &serde_json::json!(["hex", "ff0061"])));
    let written_long_ago = br#"[1,"shop.orders","ada",[["ce-type","order.placed.v1"],["ce-source","shop"],["ce-id","7"]],["text","{\"number\":1,\"customer\":\"ada\"}"]]"#;
    let old = Prepared::from_bytes(written_long_ago).unwrap();
    assert_eq!(bus.publish_prepared(&old).await.unwrap().id(), "7");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_prepared_event_is_an_error_that_says_why() {
    for (text, says) in [
        ("", "EOF"),
        ("{}", "expected"),
        (r#"[2,"a",null,[],["text",""]]"#, "form 2"),
        (r#"[1,"a..b",null,[],["text",""]]"#, "\"a..b\" is no topic"),
        (r#"[1,"dead.shop",null,[],["text",""]]"#, "\"dead.shop\" is no topic"),
        (r#"[1,"reply.shop.1",null,[],["text",""]]"#, "is no topic"),
        (r#"[1,"a.>",null,[],["text",""]]"#, "is no topic"),
        (r#"[1,"a",null,[],["text",""]]"#, "`ce-type` is missing"),
        (r#"[1,"a",null,[["ce-type","a.v1"],["ce-type","b.v1"]],["text",""]]"#, "repeat"),
        (r#"[1,"a",null,[["typebus-reply-to","b"]],["text",""]]"#, "by the bus itself"),
        (r#"[1,"a",null,[],["hex","0g"]]"#, "digits"),
        (r#"[1,"a",null,[],["hex","012"]]"#, "digits"),
        (r#"[1,"a",null,[],["base64","QQ=="]]"#, "`text` or `hex`"),
    ] {
        let error = Prepared::from_bytes(text.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, "read a prepared event"));
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert!(serde_json::from_str::<Prepared>(text).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn another_service_does_not_publish_it() {
    let (shop, other) =
        (connect(&Lines::default()).await, Bus::<Other>::builder().connect("memory:").await.unwrap());
    let prepared = shop.prepare(&placed()).unwrap();
    let error = other.publish_prepared(&prepared).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("prepared by service \"shop\"") && text.contains("this is other"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_with_a_lower_limit_refuses_it() {
    let roomy = connect(&Lines::default()).await;
    let prepared = roomy.prepare(&Blob(vec![1; 100_000])).unwrap();
    let narrow = Bus::<Shop>::builder().state(Lines::default());
    let narrow = narrow.connect("memory:?max_message=65536").await.unwrap();
    assert_eq!(narrow.publish_prepared(&prepared).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_payload_is_shown() {
    let bus = connect(&Lines::default()).await;
    let secret = Placed { number: 1, customer: "a-secret".into() };
    let prepared = bus.publish(&secret).header("token", "another-secret").prepare().unwrap();
    let shown = format!("{prepared:?} {:?}", bus.publish_prepared(&prepared));
    assert!(shown.contains("shop.orders") && !shown.contains("secret"), "{shown}");
    let running = start(&bus).await;
    caught_up(&running).await;
}
