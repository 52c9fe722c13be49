//! Structured CloudEvents: an envelope and its data in one JSON object, as others send them, made into what typebus itself
//! writes: attributes beside the payload.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>. Read leniently: an attribute
//! that is missing is missing in the envelope too, as it may be in binary mode. Nothing here is written by typebus.

use std::{borrow::Cow, convert::Infallible, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    codec::{essence, is_json},
    message::{Attribute, Header, JSON, MAX_HEADERS, Message, MessageBuilder},
};

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// The same event in binary mode, if `message` is a structured one; or what is wrong with it.
///
/// It is one if its content type says so, whatever its headers say; or else, without a type among the headers, if it is
/// a JSON object with a `specversion` (the Go SDK sends no content type over NATS, and Dapr `text/plain`).
pub(crate) fn unfold(message: &Message) -> Option<Result<Message, String>> {
    let has_type = message.attribute(Attribute::Type).is_some();
    if message.is_unfolded() || has_type && !message.is_structured() {
        return None;
    }
    let content_type = message.attribute(Attribute::ContentType).map(String::from_utf8_lossy);
    let content_type = content_type.as_deref().map(essence);
    let is = |other: &str| content_type.is_some_and(|essence| essence.eq_ignore_ascii_case(other));
    if is(BATCH) {
        let error = "a batch of CloudEvents is not read; each event is to be a message of its own";
        return Some(Err(error.to_owned()));
    }
    if is(ONE) {
        let read = Event::read(message.payload());
        return Some(
            read.and_then(|event| event.unfold(message))
                .map_err(|error| format!("the payload is no structured CloudEvent: {error}")),
        );
    }
    let may_be = content_type.is_none_or(|essence| is_json(essence) || is("text/plain"));
    if !may_be || has_type || !mentions_version(message.payload()) {
        return None;
    }
    // What is no such object is something else, and others say what is wrong with it.
    let event = Event::read(message.payload()).ok().filter(Event::has_version)?;
    Some(event.unfold(message).map_err(|error| {
        format!("the payload has a `specversion`, but is no structured CloudEvent: {error}")
    }))
}

/// Whether it can be an object with a `specversion`: to be told from other JSON without reading that.
fn mentions_version(payload: &[u8]) -> bool {
    payload.trim_ascii_start().starts_with(b"{")
        && std::str::from_utf8(payload).is_ok_and(|text| text.contains("\"specversion\""))
}

/// The members of the object, in their order, as they are written.
struct Event<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Event<'a> {
    fn read(payload: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(payload).map_err(|error| error.to_string())
    }

    fn member(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    /// A member that is not `null`, which is as good as none.
    fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.member(name).filter(|value| value.get() != "null")
    }

    fn has_version(&self) -> bool {
        self.member("specversion").is_some_and(|value| value.get().starts_with('"'))
    }

    fn attribute(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        self.given(name).map(|value| text(name, value)).transpose()
    }

    fn unfold(&self, message: &Message) -> Result<Message, String> {
        self.check()?;
        let content_type = self.attribute(Attribute::ContentType.name())?.unwrap_or(Cow::Borrowed(JSON));
        let payload = self.payload(&content_type)?;
        let mut builder = MessageBuilder::new();
        let written = builder.payload(|buffer| {
            buffer.extend_from_slice(&payload);
            Ok::<(), Infallible>(())
        });
        match written {
            Ok(_) => {}
            Err(never) => match never {},
        }
        let partition_key = self.attribute(Attribute::PartitionKey.name())?;
        if let Some(key) = message.key().or(partition_key.as_deref().map(str::as_bytes)) {
            builder.key(key);
        }
        // The type comes first, as in messages of typebus: it is what a reader looks for first.
        if let Some(kind) = self.attribute(Attribute::Type.name())? {
            builder.attribute(Attribute::Type, kind.as_bytes());
        }
        builder.attribute(Attribute::ContentType, content_type.as_bytes());
        for (name, value) in &self.0 {
            let is_written =
                [Attribute::Type, Attribute::ContentType].map(Attribute::name).contains(&&**name);
            if is_written || matches!(&**name, "data" | "data_base64") || value.get() == "null" {
                continue;
            }
            let value = text(name, value)?;
            match Attribute::from_name(name.as_bytes()) {
                Some(attribute) => builder.attribute(attribute, value.as_bytes()),
                None => builder.header(format!("ce-{name}").as_bytes(), value.as_bytes()),
            };
        }
        self.copy_headers(message, &mut builder);
        builder.unfolded_from(message);
        Ok(builder.build())
    }

    fn check(&self) -> Result<(), String> {
        if self.0.len() > MAX_HEADERS {
            return Err(format!("it has {} members; at most {MAX_HEADERS} are read", self.0.len()));
        }
        for (nth, (name, _)) in self.0.iter().enumerate() {
            if self.0.iter().take(nth).any(|(earlier, _)| earlier == name) {
                return Err(format!("`{name}` is there twice"));
            }
        }
        match self.attribute("specversion")? {
            None => Err("it has no `specversion`".to_owned()),
            Some(version) if version == "1.0" || version.starts_with("1.0.") => Ok(()),
            Some(version) => Err(format!("its `specversion` is `{version}`, and 1.0 is what is read")),
        }?;
        for attribute in [Attribute::Id, Attribute::Source, Attribute::Type] {
            if self.attribute(attribute.name())?.is_some_and(|value| value.is_empty()) {
                return Err(format!("its `{}` is empty", attribute.name()));
            }
        }
        Ok(())
    }

    /// JSON as it is written, to the byte; other text without its quotes; bytes decoded.
    fn payload(&self, content_type: &str) -> Result<Cow<'a, [u8]>, String> {
        let data = match (self.member("data"), self.given("data_base64")) {
            (None, None) => return Ok(Cow::Borrowed(b"")),
            (Some(data), Some(_)) if data.get() != "null" => {
                return Err("it has both `data` and `data_base64`".to_owned());
            }
            (_, Some(data)) => {
                let text: Cow<'_, str> = quoted("data_base64", data)?;
                return base64(&text).map(Cow::Owned);
            }
            (Some(data), None) => data,
        };
        if is_json(content_type) {
            return Ok(Cow::Borrowed(data.get().as_bytes()));
        }
        match data.get().as_bytes() {
            b"null" => Ok(Cow::Borrowed(b"")),
            [b'"', ..] => Ok(match quoted("data", data)? {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
            json => Ok(Cow::Borrowed(json)),
        }
    }

    /// What stands beside the event and is no envelope: headers of the sender's own, and the trace of the transport.
    fn copy_headers(&self, message: &Message, builder: &mut MessageBuilder) {
        for header in message.headers() {
            match header {
                Header::Attribute(attribute @ (Attribute::TraceParent | Attribute::TraceState), value)
                    if self.given(attribute.name()).is_none() =>
                {
                    builder.attribute(attribute, value);
                }
                Header::Plain(name, value) if !is_of_envelope(name) => _ = builder.header(name, value),
                Header::Attribute(..) | Header::Plain(..) => {}
            }
        }
    }
}

/// Whether a header is an extension in binary mode: where a message is both, the structured event is meant.
fn is_of_envelope(name: &[u8]) -> bool {
    let prefixes = ["ce_", "ce-", "cloudevents:", "cloudevents_"];
    let begins = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    prefixes.into_iter().any(begins)
}

/// An attribute as text: a string, a number or a boolean.
fn text<'a>(name: &str, value: &'a RawValue) -> Result<Cow<'a, str>, String> {
    match value.get().as_bytes().first() {
        Some(b'"') => quoted(name, value),
        Some(b'{' | b'[') => {
            Err(format!("its `{name}` is neither text nor a number nor a boolean; data belongs into `data`"))
        }
        Some(_) | None => Ok(Cow::Borrowed(value.get())),
    }
}

fn quoted<'a>(name: &str, value: &'a RawValue) -> Result<Cow<'a, str>, String> {
    let json = value.get();
    // Without an escape the text is what stands between the quotes.
    if let Some(plain) = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'))
        && !plain.contains('\\')
    {
        return Ok(Cow::Borrowed(plain));
    }
    serde_json::from_str(json).map(Cow::Owned).map_err(|error| format!("its `{name}` is no text: {error}"))
}

/// RFC 4648, section 4; the padding may be absent.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    let wrong = |what: String| Err(format!("its `data_base64` is no Base64: {what}"));
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    if digits.len() != text.len() && !text.len().is_multiple_of(4) {
        return wrong(format!("{} characters are no multiple of 4", text.len()));
    }
    if digits.len() % 4 == 1 {
        return wrong("it ends after the first of four characters".to_owned());
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for (at, digit) in digits.chars().enumerate() {
        let value = match digit {
            'A'..='Z' => u32::from(digit) - u32::from('A'),
            'a'..='z' => u32::from(digit) - u32::from('a') + 26,
            '0'..='9' => u32::from(digit) - u32::from('0') + 52,
            '+' => 62,
            '/' => 63,
            _ => return wrong(format!("{digit:?} at character {at}")),
        };
        buffer = buffer << 6 | value;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [byte, ..] = (buffer >> bits).to_le_bytes();
            bytes.push(byte);
        }
    }
    Ok(bytes)
}

impl<'de: 'a, 'a> Deserialize<'de> for Event<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members).map(Event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn message(content_type: Option<&str>, payload: &[u8]) -> Message {
        let mut builder = MessageBuilder::new();
        let written = builder.payload(|buffer| {
            buffer.extend_from_slice(payload);
            Ok::<(), Infallible>(())
        });
        written.unwrap();
        if let Some(content_type) = content_type {
            builder.wire_header(b"content-type", content_type.as_bytes());
        }
        builder.build()
    }

    /// What is true whatever the bytes: it is the event, or an error, and the original is kept.
    fn is_told(payload: &[u8]) {
        let explicit = message(Some("application/cloudevents+json"), payload);
        for message in [message(None, payload), explicit.clone()] {
            if let Some(Ok(unfolded)) = unfold(&message) {
                assert_eq!(unfolded.original().unwrap().payload(), payload);
                assert_eq!(unfolded.defect(), None);
                assert!(unfold(&unfolded).is_none(), "once is enough");
            }
        }
        assert!(unfold(&explicit).is_some());
    }

    const EVENT: &str = r#"{"specversion":"1.0","type":"a.v1","id":"\u00e4","source":"/s","n":-1,"b":true,
        "time":"2026-11-24T05:51:08Z","data_base64":"AAEC/w==","datacontenttype":"x/y","partitionkey":"k"}"#;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Zm9vYmE", "fooba"),
        ] {
            assert_eq!(base64(text).unwrap(), bytes.as_bytes(), "{text}");
        }
        assert_eq!(base64("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
        for text in ["=", "==", "Zg=", "Z", "Zm9vY", "Zg===", "Z=g=", "Zm 9v", "Zm9v\n", "größe", "-_-_"] {
            assert!(base64(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_event_or_an_error(payload in vec(any::<u8>(), 0..100), text in any::<String>()) {
            is_told(&payload);
            is_told(text.as_bytes());
        }

        #[test]
        fn an_event_with_other_bytes_in_it_is_an_event_or_an_error(
            places in vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..6)
        ) {
            let mut payload = EVENT.as_bytes().to_vec();
            for (place, byte, is_more) in places {
                let at = place.index(payload.len());
                if is_more { payload.insert(at, byte) } else { payload[at] = byte }
            }
            is_told(&payload);
        }

        #[test]
        fn every_kind_of_member_is_an_event_or_an_error(
            members in vec((
                prop::sample::select(vec!["specversion", "type", "id", "source", "time", "data", "data_base64",
                    "datacontenttype", "partitionkey", "Type", "traceparent", "", "x", "ce-x"]),
                prop::sample::select(vec!["null", "\"\"", "\"1.0\"", "1", "-1e5", "true", "{}", "[1]", "\"AA==\"",
                    "\"\\ud83d\\ude00\"", "\"\\u0000\"", "\"application/cloudevents+json\"", "\"text/plain\""]),
            ), 0..12)
        ) {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            is_told(format!("{{{}}}", members.join(",")).as_bytes());
            is_told(format!("{{\"specversion\":\"1.0\",{}}}", members.join(",")).as_bytes());
        }
    }
}
