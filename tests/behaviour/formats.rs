//! Formats: MessagePack and CBOR.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{
    Cbor, Codec, ErrorKind, FromDelivery, Incoming, Json, MsgPack, Reason, prelude::*, testing::Foreign,
};
use typebus_tests::{Ends, Placed, Seen, broker, ends, letters, start};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.boxes", name = "packed", key = customer, format = "msgpack")]
struct Packed {
    number: u64,
    customer: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.boxes", name = "sensed", key = customer, format = "cbor")]
struct Sensed {
    number: u64,
    customer: String,
}

/// What the same events may look like in a year: a field more, one that is not needed any more.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Newer {
    customer: String,
    number: u64,
    colour: Option<String>,
    sizes: Vec<(u8, i64)>,
}

/// Content type and payload as they were sent.
struct Wire(String, Vec<u8>);

impl FromDelivery for Wire {
    type Needs = ();
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Failure> {
        let content_type = incoming.message().attribute(typebus::backend::Attribute::ContentType);
        Ok(Self(
            String::from_utf8_lossy(content_type.unwrap_or(b"nothing")).into_owned(),
            incoming.payload().to_vec(),
        ))
    }
}

type Lines = Seen<String>;

#[handler]
async fn unpack(event: Packed, wire: Wire, lines: State<Lines>) {
    lines.push(format!("{} {} {} {}", event.number, event.customer, wire.0, show(&wire.1)));
}

#[handler]
async fn sense(event: Sensed, wire: Wire, lines: State<Lines>) {
    lines.push(format!("{} {} {} {}", event.number, event.customer, wire.0, show(&wire.1)));
}

/// Bytes with what is printable in them.
pub(crate) fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

service! { Both = "both" { handles: [unpack, sense], publishes: [Packed, Sensed], state: [Lines] } }

/// A service, a producer that knows nothing of it, and what arrived.
struct Scene {
    bus: Bus<Both>,
    foreign: Foreign,
    lines: Lines,
}

impl Scene {
    async fn set() -> Self {
        let (url, lines) = (broker(), Lines::default());
        let bus = Bus::<Both>::builder().state(lines.clone()).connect(&url).await.unwrap();
        Self { bus, foreign: Foreign::connect(url).unwrap(), lines }
    }

    /// A message to the event that is in this format.
    fn message(&self, format: &str) -> typebus::testing::ForeignMessage<'_> {
        match format {
            "msgpack" => self.foreign.message("shop.boxes").header("ce_type", "packed.v1"),
            "cbor" => self.foreign.message("shop.boxes").header("ce_type", "sensed.v1"),
            other => panic!("{other}"),
        }
    }
}

pub(crate) fn written<C: Codec<E>, E>(event: &E) -> Vec<u8> {
    let mut bytes = Vec::new();
    C::encode(event, &mut bytes).unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn an_event_is_written_with_the_names_of_its_fields_and_its_content_type_is_sent() {
    let scene = Scene::set().await;
    scene.bus.publish(&Packed { number: 7, customer: "ann".into() }).await.unwrap();
    scene.bus.publish(&Sensed { number: 7, customer: "ann".into() }).await.unwrap();
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 2, ..Ends::NONE });
    let expected = [
        r"7 ann application/cbor \xa2fnumber\x07hcustomercann",
        r"7 ann application/msgpack \x82\xa6number\x07\xa8customer\xa3ann",
    ];
    assert_eq!(scene.lines.sorted(), expected);
}

#[tokio::test(start_paused = true)]
async fn fields_may_be_added_and_stand_in_any_order() {
    let newer = Newer { customer: "ann".into(), number: 7, colour: Some("red".into()), sizes: vec![(1, -2)] };
    let scene = Scene::set().await;
    scene.message("msgpack").payload(written::<MsgPack, _>(&newer)).send().await.unwrap();
    scene.message("cbor").payload(written::<Cbor, _>(&newer)).send().await.unwrap();
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 2, ..Ends::NONE });
    assert!(scene.lines.all().iter().all(|line| line.starts_with("7 ann ")), "{:?}", scene.lines.all());
}

#[tokio::test(start_paused = true)]
async fn another_content_type_is_a_dead_letter_and_every_name_of_the_format_is_read() {
    let event = Packed { number: 7, customer: "ann".into() };
    let bytes = |format| match format {
        "msgpack" => written::<MsgPack, _>(&event),
        _ => written::<Cbor, _>(&event),
    };
    let good = [
        ("msgpack", "application/msgpack"),
        ("msgpack", "application/x-msgpack"),
        ("msgpack", "application/vnd.msgpack"),
        ("msgpack", " Application/MsgPack; v=1"),
        ("cbor", "application/cbor"),
        ("cbor", "application/senml+cbor"),
        ("cbor", "APPLICATION/CBOR;v=1"),
    ];
    let bad = [
        ("msgpack", "application/json", "application/msgpack"),
        ("msgpack", "application/cbor", "application/msgpack"),
        ("msgpack", "", "application/msgpack"),
        ("cbor", "application/json", "application/cbor"),
        ("cbor", "application/msgpack", "application/cbor"),
        ("cbor", "application/cborx", "application/cbor"),
    ];
    let scene = Scene::set().await;
    for format in ["msgpack", "cbor"] {
        scene.message(format).payload(bytes(format)).send().await.unwrap();
    }
    for (format, content_type) in good {
        let message = scene.message(format).header("content-type", content_type);
        message.payload(bytes(format)).send().await.unwrap();
    }
    for (format, content_type, _) in bad {
        let message = scene.message(format).header("content-type", content_type);
        message.payload(bytes(format)).send().await.unwrap();
    }
    let running = start(&scene.bus).await;
    assert_eq!(ends(&running), Ends { handled: 9, dead_lettered: 6, ..Ends::NONE });
    for letter in letters(&scene.bus, "both").await {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0));
        let found = |(_, content_type, wanted): &(_, &str, &str)| {
            letter
                .error()
                .contains(&format!("is read from {wanted}, but the content type is `{content_type}`"))
        };
        assert!(bad.iter().any(found), "{}", letter.error());
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.tags", name = "tag")]
struct TagV1 {
    text: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.tags", name = "tag", version = 2, format = "msgpack", upcasts(TagV1))]
struct TagV2 {
    words: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.tags", name = "tag", version = 3, format = "cbor", upcasts(TagV2))]
struct Tag {
    words: Vec<String>,
    count: usize,
}

impl From<TagV1> for TagV2 {
    fn from(TagV1 { text }: TagV1) -> Self {
        Self { words: text.split(' ').map(str::to_owned).collect() }
    }
}

impl From<TagV2> for Tag {
    fn from(TagV2 { words }: TagV2) -> Self {
        Self { count: words.len(), words }
    }
}

#[handler]
async fn tag(tag: Tag, metadata: Metadata, wire: Wire, lines: State<Lines>) {
    lines.push(format!("v{} {} {:?} {}", metadata.version(), tag.count, tag.words, wire.0));
}

service! { Tags = "tags" { handles: [tag], publishes: [TagV1, TagV2, Tag], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn each_version_is_read_in_its_own_format() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Tags>::builder().state(lines.clone()).connect(&url).await.unwrap();
    bus.publish(&TagV1 { text: "a b".into() }).await.unwrap();
    bus.publish(&TagV2 { words: vec!["c".into()] }).await.unwrap();
    bus.publish(&Tag { words: vec![], count: 0 }).await.unwrap();
    // An old version in the format of a newer one is not read by guessing.
    let foreign = Foreign::connect(&url).unwrap();
    let message = foreign.message("shop.tags").header("ce_type", "tag.v1");
    message.header("content-type", "application/cbor").payload(b"\xa1dtexta!").send().await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 3, dead_lettered: 1, ..Ends::NONE });
    let expected = [
        r#"v1 2 ["a", "b"] application/json"#,
        r#"v2 1 ["c"] application/msgpack"#,
        "v3 0 [] application/cbor",
    ];
    assert_eq!(lines.sorted(), expected);
    let letters = letters(&bus, "tags").await;
    assert!(letters[0].error().contains("TagV1 is read from application/json"), "{}", letters[0].error());
}

/// What a handler returns may be in another format than what it takes.
#[handler]
async fn pack(order: Placed) -> Packed {
    Packed { number: order.number, customer: order.customer }
}

service! { Packing = "packing" { handles: [pack, unpack], publishes: [Placed], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_is_written_in_its_own_format() {
    let lines = Lines::default();
    let bus = Bus::<Packing>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 7, customer: "ann".into() }).await.unwrap();
    let _running = start(&bus).await;
    assert!(lines.reached(1).await[0].starts_with("7 ann application/msgpack"));
}

/// A map whose keys are no text: JSON cannot write it, the others can.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Keyed(BTreeMap<(u8, u8), bool>);

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.failing", format = "msgpack")]
struct Failing(#[serde(serialize_with = "never")] u8);

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.failed", format = "cbor")]
struct Failed(#[serde(serialize_with = "never")] u8);

fn never<S: serde::Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("an odd mood"))
}

service! { Moods = "moods" { publishes: [Failing, Failed] } }

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_an_error_that_names_event_and_format() {
    let bus = Bus::<Moods>::builder().connect("memory:").await.unwrap();
    for (error, said) in [
        (bus.publish(&Failing(1)).await.unwrap_err(), "Failing cannot be written as application/msgpack: "),
        (
            bus.publish(&Failed(1)).await.unwrap_err(),
            "Failed cannot be written as application/cbor: an odd mood",
        ),
    ] {
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert!(error.to_string().contains(said) && error.to_string().contains("an odd mood"), "{error}");
    }
    let keyed = Keyed([((1, 2), true)].into());
    Json::encode(&keyed, &mut Vec::new()).unwrap_err();
    let [msgpack, cbor] = [written::<MsgPack, _>(&keyed), written::<Cbor, _>(&keyed)];
    assert_eq!(<MsgPack as Codec<Keyed>>::decode(&msgpack).unwrap().0, keyed.0);
    assert_eq!(<Cbor as Codec<Keyed>>::decode(&cbor).unwrap().0, keyed.0);
}
