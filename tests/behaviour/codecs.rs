//! Codecs: payloads that are no JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{
    BoxError, Codec, ErrorKind, FromDelivery, Incoming, Reason, backend::Attribute, prelude::*,
    testing::Foreign,
};
use typebus_tests::{Ends, Paid, Placed, Seen, broker, ends, letters, start};

/// What can be a line of text: fields with a `|` between them.
trait Line: Sized {
    fn fields(&self) -> Vec<String>;
    fn of(fields: &[&str]) -> Option<Self>;
}

/// One codec for every [`Line`]. It writes no line feed.
struct Lined;

impl<E: Line> Codec<E> for Lined {
    const CONTENT_TYPE: &'static str = "text/x-line";

    fn encode(event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        let line = event.fields().join("|");
        if line.contains('\n') {
            return Err("a line feed in a line".into());
        }
        into.extend_from_slice(line.as_bytes());
        Ok(())
    }

    fn decode(payload: &[u8]) -> Result<E, BoxError> {
        let fields: Vec<&str> = std::str::from_utf8(payload)?.split('|').collect();
        E::of(&fields).ok_or_else(|| "other fields".into())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(topic = "shop.memos", name = "memo", key = author, format = Lined)]
struct Memo {
    author: String,
    text: String,
}

impl Line for Memo {
    fn fields(&self) -> Vec<String> {
        vec![self.author.clone(), self.text.clone()]
    }

    fn of(fields: &[&str]) -> Option<Self> {
        let [author, text] = fields else { return None };
        Some(Self { author: (*author).to_owned(), text: (*text).to_owned() })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(topic = "shop.bells", name = "bell", format = self::Lined)]
struct Bell;

impl Line for Bell {
    fn fields(&self) -> Vec<String> {
        vec!["ring".to_owned()]
    }

    fn of(fields: &[&str]) -> Option<Self> {
        (fields == ["ring"]).then_some(Self)
    }
}

fn memo(text: &str) -> Memo {
    Memo { author: "ann".to_owned(), text: text.to_owned() }
}

/// Content type and payload as they were sent.
struct Wire(String);

impl FromDelivery for Wire {
    type Needs = ();
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Failure> {
        let message = incoming.message();
        let content_type = message.attribute(Attribute::ContentType).unwrap_or(b"nothing");
        let [content_type, payload] = [content_type, message.payload()].map(String::from_utf8_lossy);
        Ok(Self(format!("{content_type}: {payload}")))
    }
}

type Lines = Seen<String>;

#[handler]
async fn read(memo: Memo, wire: Wire, lines: State<Lines>) {
    assert_eq!(memo.author, "ann");
    lines.push(format!("{} ({})", memo.text, wire.0));
}

service! { Reader = "reader" { handles: [read], publishes: [Memo], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn a_codec_writes_and_reads_the_payload_and_its_content_type_is_sent() {
    let lines = Lines::default();
    let bus = Bus::<Reader>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    bus.publish(&memo("Hello")).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(lines.all(), ["Hello (text/x-line: ann|Hello)"]);
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn what_the_codec_cannot_write_is_an_error_that_names_event_and_content_type() {
    let lines = Lines::default();
    let bus = Bus::<Reader>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    let results = bus.publish_all(&[memo("one"), memo("two\nlines"), memo("three")]).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Encode, "publish"));
    let text = error.to_string();
    assert!(text.contains("Memo") && text.contains("text/x-line") && text.contains("a line feed"), "{text}");
    assert!(std::error::Error::source(error).is_some());
    start(&bus).await;
    // What was written before the error is in no other payload.
    assert_eq!(lines.all(), ["one (text/x-line: ann|one)", "three (text/x-line: ann|three)"]);
}

#[tokio::test(start_paused = true)]
async fn another_content_type_is_a_dead_letter_and_none_or_one_with_parameters_is_read() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Reader>::builder().state(lines.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let message = || foreign.message("shop.memos").key("ann").header("ce_type", "memo.v1").payload("ann|x");
    let good = ["text/x-line", "text/x-line; charset=utf-8", "Text/X-Line;charset=utf-8", " text/x-line "];
    for content_type in good {
        message().header("content-type", content_type).send().await.unwrap();
    }
    message().send().await.unwrap();
    foreign.message("shop.memos").key("ann").payload("ann|x").send().await.unwrap();
    let bad = ["application/json", "text/plain", "", "text/x-lined", "text/x-line+json"];
    for content_type in bad {
        message().header("content-type", content_type).send().await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 6, dead_lettered: 5, ..Ends::NONE });
    let letters = letters(&bus, "reader").await;
    for (letter, content_type) in letters.iter().zip(bad) {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0));
        let error = letter.error();
        assert!(error.contains("Memo is read from text/x-line"), "{error}");
        assert!(error.contains(&format!("`{content_type}`")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_the_codec_cannot_read_is_a_dead_letter() {
    let url = broker();
    let bus = Bus::<Reader>::builder().state(Lines::default()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for payload in [b"no memo".as_slice(), b"", b"\xff|\xfe"] {
        foreign.message("shop.memos").key("ann").payload(payload).send().await.unwrap();
    }
    start(&bus).await;
    let letters = letters(&bus, "reader").await;
    assert_eq!(letters.len(), 3);
    for (letter, said) in letters.iter().zip(["other fields", "other fields", "utf-8"]) {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0));
        let error = letter.error();
        assert!(error.contains("Memo (memo.v1)") && error.contains(said), "{error}");
    }
}

#[derive(Debug, EventSet)]
enum Mixed {
    Memo(Memo),
    Bell(Bell),
    Paid(Paid),
}

#[handler]
async fn mixed(event: Mixed, wire: Wire, lines: State<Lines>) {
    lines.push(format!("{event:?} {}", wire.0));
}

service! { Mixing = "mixing" { handles: [mixed], publishes: [Mixed], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn a_set_mixes_codecs_and_one_codec_serves_several_events() {
    let lines = Lines::default();
    let bus = Bus::<Mixing>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    for event in [Mixed::Memo(memo("Hi")), Mixed::Bell(Bell), Mixed::Paid(Paid { number: 1, customer: None })]
    {
        bus.publish(&event).await.unwrap();
    }
    start(&bus).await;
    let expected = [
        "Bell(Bell) text/x-line: ring",
        r#"Memo(Memo { author: "ann", text: "Hi" }) text/x-line: ann|Hi"#,
        r#"Paid(Paid { number: 1, customer: None }) application/json: {"number":1,"customer":null}"#,
    ];
    assert_eq!(lines.sorted(), expected);
}

/// What a handler returns may be in another format than what it takes.
#[handler]
async fn write_down(order: Placed) -> Memo {
    Memo { author: order.customer, text: order.number.to_string() }
}

service! { Writer = "writer" { handles: [write_down, read], publishes: [Placed], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_is_written_by_its_own_codec() {
    let lines = Lines::default();
    let bus = Bus::<Writer>::builder().state(lines.clone()).connect("memory:").await.unwrap();
    bus.publish(&Placed { number: 7, customer: "ann".into() }).await.unwrap();
    bus.publish(&Placed { number: 8, customer: "two\nlines".into() }).await.unwrap();
    start(&bus).await;
    assert_eq!(lines.reached(1).await, ["7 (text/x-line: ann|7)"]);
    let letters = letters(&bus, "writer").await;
    assert_eq!((letters.len(), letters[0].reason()), (1, Reason::PublishFailed));
    assert!(letters[0].error().contains("text/x-line"), "{}", letters[0].error());
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.tags", name = "tag")]
struct TagV1 {
    text: String,
}

#[derive(Debug, Event)]
#[event(topic = "shop.tags", name = "tag", version = 2, format = Lined, upcasts(TagV1))]
struct Tag(String);

impl From<TagV1> for Tag {
    fn from(TagV1 { text }: TagV1) -> Self {
        Self(text)
    }
}

impl Line for Tag {
    fn fields(&self) -> Vec<String> {
        vec![self.0.clone()]
    }

    fn of(fields: &[&str]) -> Option<Self> {
        Some(Self(fields.first().copied()?.to_owned()))
    }
}

#[handler]
async fn tag(tag: Tag, metadata: Metadata, wire: Wire, lines: State<Lines>) {
    lines.push(format!("{} v{} {}", tag.0, metadata.version(), wire.0));
}

service! { OldTags = "old-tags" { publishes: [TagV1] } }
service! { Tags = "tags" { handles: [tag], publishes: [Tag], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn an_older_version_is_read_by_its_own_codec() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Tags>::builder().state(lines.clone()).connect(&url).await.unwrap();
    let old = Bus::<OldTags>::builder().connect(&url).await.unwrap();
    old.publish(&TagV1 { text: "old".into() }).await.unwrap();
    bus.publish(&Tag("new".into())).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let message = foreign.message("shop.tags").header("ce_type", "tag.v1");
    message.header("content-type", "text/x-line").payload("{}").send().await.unwrap();
    start(&bus).await;
    let expected = [r#"old v1 application/json: {"text":"old"}"#, "new v2 text/x-line: new"];
    let mut expected = expected.map(ToOwned::to_owned);
    expected.sort();
    assert_eq!(lines.sorted(), expected);
    let letters = letters(&bus, "tags").await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].error().contains("TagV1 is read from application/json"), "{}", letters[0].error());
}

/// A codec whose content type has parameters of its own.
struct Html;

impl Codec<Page> for Html {
    const CONTENT_TYPE: &'static str = "text/html; charset=utf-8";

    fn encode(Page(text): &Page, into: &mut Vec<u8>) -> Result<(), BoxError> {
        into.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn decode(payload: &[u8]) -> Result<Page, BoxError> {
        Ok(Page(std::str::from_utf8(payload)?.to_owned()))
    }
}

#[derive(Debug, Event)]
#[event(topic = "shop.pages", format = Html)]
struct Page(String);

#[handler]
async fn show(page: Page, wire: Wire, lines: State<Lines>) {
    lines.push(format!("{} ({})", page.0, wire.0));
}

service! { Pages = "pages" { handles: [show], publishes: [Page], state: [Lines] } }

#[tokio::test(start_paused = true)]
async fn a_content_type_with_parameters_is_read_with_these_with_others_and_without() {
    let (url, lines) = (broker(), Lines::default());
    let bus = Bus::<Pages>::builder().state(lines.clone()).connect(&url).await.unwrap();
    bus.publish(&Page("ours".into())).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for content_type in ["text/html", "text/html;charset=UTF-8", "text/html; level=1"] {
        let message = foreign.message("shop.pages").header("content-type", content_type);
        message.payload("theirs").send().await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 4, ..Ends::NONE });
    assert!(lines.all().contains(&"ours (text/html; charset=utf-8: ours)".to_owned()), "{:?}", lines.all());
}
