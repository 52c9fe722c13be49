//! The envelope, in headers and in the payload.

use serde::de::IgnoredAny;
use serde_json::Value;
use typebus::{
    Reason,
    backend::{Attribute, Defect, Header, MAX_HEADER_BYTES, MAX_HEADERS},
};

use crate::{
    letter::Letter,
    shop::{End, play},
};

pub(super) const WORDS: &[&str] = &[
    "ce_",
    "ce-",
    "CE_",
    "cloudEvents:",
    "cloudEvents_",
    "type: ",
    "id: ",
    "source: ",
    "specversion: 1.0",
    "time: ",
    "2026-11-24T05:51:08.123Z",
    "datacontenttype: ",
    "content-type: ",
    "application/json",
    "text/plain",
    "partitionkey: ",
    "correlationid: ",
    "causationid: ",
    "traceparent: ",
    "tracestate: ",
    "@key: ",
    "@long: ",
    "order.placed.v1",
    "order.placed.v2",
    "order.placed.v3",
    "order.cancelled.v1",
    "payment.made.v1",
    "typebus-reason: ",
    "typebus-redriven: ",
    "typebus-origin-topic: ",
    "reply_to: ",
    "\n",
    "\n\n",
    ": ",
    "\"Leaf\"",
    "{\"number\":1,\"customer\":\"ann\",\"gift\":true}",
];

/// Headers as brokers hand them over: [`Letter`].
pub fn headers(input: &[u8]) {
    let letter = Letter::read(input);
    let defect = is_read_as_it_is_spelt(&letter);
    let message = letter.message();
    let is_bad =
        defect.is_some() || message.header_count() > MAX_HEADERS || message.header_bytes() > MAX_HEADER_BYTES;
    for end in play(&letter, &["shop.orders", "shop.payments", "shop.audit"]) {
        let died_of_them = matches!(end, End::Dead(Reason::Headers));
        // What a structured event holds may be too many of them too.
        assert!(
            died_of_them == is_bad || died_of_them && letter.payload.len() > 1_000,
            "{end:?} though {defect:?}"
        );
    }
}

/// Every header is there, in its order, and those of the envelope are known by any of their names.
fn is_read_as_it_is_spelt(letter: &Letter) -> Option<Defect> {
    let message = letter.message();
    assert_eq!((message.payload(), message.key()), (&*letter.payload, letter.key.as_deref()));
    assert_eq!(
        (message.header_count(), message.headers().count()),
        (letter.headers.len(), letter.headers.len())
    );
    let _ = format!("{message:?}");
    let mut earlier: Vec<(Attribute, &[u8])> = Vec::new();
    let mut defect = None;
    for ((name, value), header) in letter.headers.iter().zip(message.headers()) {
        let Some(attribute) = attribute(name) else {
            assert_eq!(header, Header::Plain(name, value));
            defect = defect.or_else(|| std::str::from_utf8(name).err().map(|_| Defect::Name));
            continue;
        };
        assert_eq!(header, Header::Attribute(attribute, value));
        let first = earlier.iter().find(|(other, _)| *other == attribute);
        let wrong = if std::str::from_utf8(value).is_err() {
            Some(Defect::NotText(attribute))
        } else {
            first.filter(|(_, first)| first != value).map(|_| Defect::Repeated(attribute))
        };
        defect = defect.or(wrong);
        earlier.push((attribute, value));
    }
    assert_eq!(message.defect(), defect);
    defect
}

fn attribute(name: &[u8]) -> Option<Attribute> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    Attribute::ALL.into_iter().find(|attribute| {
        let plain = match attribute {
            Attribute::ContentType => name == "content-type",
            Attribute::TraceParent | Attribute::TraceState => name == attribute.name(),
            _ => false,
        };
        plain
            || ["ce_", "ce-", "cloudevents:", "cloudevents_"]
                .iter()
                .any(|p| name == format!("{p}{}", attribute.name()))
    })
}

pub(super) const KINDS: &[&str] = &[
    "order.placed",
    "order.cancelled",
    ".v",
    ".v0",
    ".v1",
    ".v2",
    ".v3",
    ".v65535",
    ".v65536",
    ".V1",
    "order",
    "placed",
    "v1",
    "ü",
    ".",
    "..",
];

/// The value of `type`: a name, and after the last `.v` a version.
pub fn kind(input: &[u8]) {
    let payload = r#"{"number":1,"customer":"ann","gift":false}"#;
    let letter = Letter::with_payload(payload).header("ce_type", input);
    let [orders, audit] = &play(&letter, &["shop.orders", "shop.audit"])[..] else { unreachable!() };
    let Ok(text) = std::str::from_utf8(input) else {
        assert!(
            matches!((orders, audit), (End::Dead(Reason::Headers), End::Dead(Reason::Headers))),
            "{orders:?} {audit:?}"
        );
        return;
    };
    if text.len() > MAX_HEADER_BYTES - 100 {
        return;
    }
    let (name, version) = split(text);
    let is_expected = match (name, version) {
        ("order.placed", 1 | 2) | ("order.cancelled", 1) => orders.is_handled(),
        ("order.placed" | "order.cancelled", _) => matches!(orders, End::Dead(Reason::UnknownVersion)),
        _ => matches!(orders, End::Skipped),
    };
    assert!(is_expected, "{name} in version {version} ended as {orders:?}");
    let End::Handled(audited) = audit else {
        panic!("what takes any event did not take {text:?}: {audit:?}")
    };
    assert_eq!((&*audited.name, audited.version), (name, version));
}

/// From behind: digits, that do not begin with a zero, after `.v`, after a name.
fn split(kind: &str) -> (&str, u16) {
    let digits = kind.len() - kind.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (name, digits) = kind.split_at(kind.len() - digits);
    match name.strip_suffix(".v") {
        Some(name) if !name.is_empty() && !digits.is_empty() && !digits.starts_with('0') => {
            (name, digits.parse().unwrap_or(u16::MAX))
        }
        _ => (kind, 1),
    }
}

pub(super) const MEMBERS: &[&str] = &[
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/json",
    "text/plain",
    "content-type: ",
    "ce_type: ",
    "@key: ",
    "\n\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "\"\"",
    "true",
    "-1e5",
    "\"specversion\":\"1.0\"",
    "\"type\":\"order.placed.v2\"",
    "\"type\":\"payment.made.v1\"",
    "\"id\":\"1\"",
    "\"source\":\"/s\"",
    "\"data\":",
    "\"data_base64\":",
    "\"IkxlYWYi\"",
    "\"datacontenttype\":",
    "\"partitionkey\":\"k\"",
    "\"traceparent\":\"t\"",
    "\"time\":",
    "\"dataschema\":\"u\"",
    "\\ud83d\\ude00",
    "\\u0000",
    "\"Leaf\"",
    "{\"number\":1,\"customer\":\"ann\",\"gift\":true}",
];

/// Structured CloudEvents: [`Letter`] with the envelope in its payload.
pub fn structured(input: &[u8]) {
    let letter = Letter::read(input);
    let message = letter.message();
    let ends = play(&letter, &["shop.orders", "shop.payments", "shop.audit"]);
    let is_structured = message.attribute(Attribute::ContentType) == Some(b"application/cloudevents+json");
    let End::Handled(arrival) = &ends[2] else { return };
    if !is_structured {
        return;
    }
    let _: IgnoredAny = serde_json::from_slice(&letter.payload).expect("what is handled is JSON");
    // Data that nest deeper than serde_json builds values are the handler's to read, or not.
    let Ok(value) = serde_json::from_slice::<Value>(&letter.payload) else { return };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    assert!(text("specversion").is_some_and(|version| version.starts_with("1.0")), "{value}");
    for (name, found) in [("id", Some(&*arrival.id)), ("partitionkey", arrival.key.as_deref())] {
        let is_keyed = name == "partitionkey" && letter.key.is_some();
        if let (Some(expected), false) = (text(name), is_keyed) {
            assert_eq!(found, Some(expected), "{name} of {value}");
        }
    }
    let is_json = text("datacontenttype").is_none_or(|content_type| content_type == "application/json");
    if let (Some(data), None, true) = (value.get("data"), value.get("data_base64"), is_json) {
        let payload = arrival.payload.as_deref().unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Value>(payload).ok().as_ref(), Some(data));
    }
}
