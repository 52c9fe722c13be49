//! Messages as AMQP carries them: CloudEvents attributes as `ce-` headers, the content type as a property.

use std::{collections::HashSet, fmt::Write as _};

use chrono::DateTime;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{failure::error, names::short};
use crate::{
    backend::{Attribute, Header, Message, MessageBuilder},
    error::{ErrorKind, Result},
    message::wire_attribute,
};

/// The key of a message, where `ce-partitionkey` cannot be it.
const KEY: &str = "typebus-key";
/// Headers that the server adds, which are no part of the message.
const SERVERS: [&str; 3] = ["x-delivery-count", "x-acquired-count", "x-stream-offset"];
/// The same, of messages that it gave up.
const DEATHS: [&str; 3] = ["x-death", "x-first-death-", "x-last-death-"];
/// The longest name of a header.
const MAX_NAME: usize = 255;
/// Headers go in one frame, of which the server takes 128 KiB.
const MAX_HEADERS: usize = 120 * 1024;
/// It says that a message is stored on disk.
const PERSISTENT: u8 = 2;

/// The properties of a message on its way out, but for its id.
///
/// # Errors
/// `InvalidHeader`: a name is there twice, is not UTF-8, or is too long; `TooLarge`: the headers fit no frame.
pub(super) fn properties(message: &Message) -> Result<BasicProperties> {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let mut table = FieldTable::default();
    let mut names: HashSet<&[u8]> = HashSet::new();
    if message.header_bytes() > MAX_HEADERS {
        let text = format!("its headers have {} bytes, and {MAX_HEADERS} fit", message.header_bytes());
        return Err(error(ErrorKind::TooLarge, "publish", text));
    }
    let mut told = false;
    for header in message.headers() {
        match header {
            Header::Attribute(Attribute::ContentType, value) => match content_type(value) {
                Some(value) => properties = properties.with_content_type(value),
                None => insert(&mut table, short("content-type"), value),
            },
            Header::Attribute(attribute, value) => {
                told |= attribute == Attribute::PartitionKey;
                insert(&mut table, attribute_name(attribute), value);
            }
            Header::Plain(name, value) => {
                let text = std::str::from_utf8(name).ok().filter(|name| name.len() <= MAX_NAME);
                let Some(text) = text else {
                    let why = "has a name that is not UTF-8, or has more than 255 bytes, which the broker cannot carry";
                    return Err(refused(name, why));
                };
                if !names.insert(name) {
                    let why = "is there twice, and the broker keeps one value of each name; join the values";
                    return Err(refused(name, why));
                }
                insert(&mut table, short(text), value);
            }
        }
    }
    if let Some(key) = message.key() {
        let is_text = !told && std::str::from_utf8(key).is_ok();
        let name = if is_text { attribute_name(Attribute::PartitionKey) } else { short(KEY) };
        insert(&mut table, name, key);
    }
    Ok(properties.with_headers(table))
}

fn content_type(value: &[u8]) -> Option<ShortString> {
    ShortString::try_new(std::str::from_utf8(value).ok()?).ok()
}

fn attribute_name(attribute: Attribute) -> ShortString {
    match attribute {
        // Others look for these without a prefix.
        Attribute::TraceParent | Attribute::TraceState => short(attribute.name()),
        _ => short(&format!("ce-{}", attribute.name())),
    }
}

fn insert(table: &mut FieldTable, name: ShortString, value: &[u8]) {
    table.insert(name, AMQPValue::LongString(value.into()));
}

fn refused(name: &[u8], why: &str) -> crate::error::Error {
    let text = format!("header `{}` {why}; rename it", String::from_utf8_lossy(name));
    error(ErrorKind::InvalidHeader, "publish", text)
}

/// A message as it arrived, from whomever.
pub(super) fn message(properties: &BasicProperties, payload: &[u8]) -> Message {
    let mut builder = MessageBuilder::with_payload(payload);
    let headers = properties.headers().as_ref();
    let fields = || headers.into_iter().flatten().filter(|(name, _)| !is_servers(name.as_str()));
    let ours = fields().find(|(name, _)| name.as_str() == KEY);
    let key = ours.or_else(|| fields().find(|(name, _)| is_partition_key(name.as_str())));
    let key = key.and_then(|(name, value)| Some((name, bytes(value)?)));
    if let Some((_, key)) = &key {
        builder.key(key);
    }
    let is_key = |name: &ShortString| {
        key.as_ref().is_some_and(|(key, value)| *key == name && std::str::from_utf8(value).is_ok())
    };
    if let Some(content_type) = properties.content_type() {
        builder.wire_header(b"content-type", content_type.as_str().as_bytes());
    }
    for (name, value) in fields().filter(|(name, _)| name.as_str() != KEY && !is_key(name)) {
        if let Some(value) = bytes(value) {
            builder.wire_header(name.as_str().as_bytes(), &value);
        }
    }
    builder.build()
}

fn is_servers(name: &str) -> bool {
    SERVERS.contains(&name) || DEATHS.iter().any(|begin| name.starts_with(begin))
}

fn is_partition_key(name: &str) -> bool {
    wire_attribute(name.as_bytes()) == Some(Attribute::PartitionKey)
}

/// A value of whatever type as CloudEvents writes it; `None` is no value.
fn bytes(value: &AMQPValue) -> Option<Vec<u8>> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes().to_vec()),
        AMQPValue::ByteArray(bytes) => Some(bytes.as_slice().to_vec()),
        AMQPValue::Void => None,
        value => {
            let mut text = String::new();
            show(value, &mut text);
            Some(text.into_bytes())
        }
    }
}

fn show(value: &AMQPValue, into: &mut String) {
    // Writing into a string does not fail.
    let _ = match value {
        AMQPValue::Boolean(value) => write!(into, "{value}"),
        AMQPValue::ShortShortInt(value) => write!(into, "{value}"),
        AMQPValue::ShortShortUInt(value) => write!(into, "{value}"),
        AMQPValue::ShortInt(value) => write!(into, "{value}"),
        AMQPValue::ShortUInt(value) => write!(into, "{value}"),
        AMQPValue::LongInt(value) => write!(into, "{value}"),
        AMQPValue::LongUInt(value) => write!(into, "{value}"),
        AMQPValue::LongLongInt(value) => write!(into, "{value}"),
        AMQPValue::Float(value) => write!(into, "{value}"),
        AMQPValue::Double(value) => write!(into, "{value}"),
        AMQPValue::DecimalValue(value) => write!(into, "{}e-{}", value.value, value.scale),
        AMQPValue::ShortString(value) => write!(into, "{value}"),
        AMQPValue::LongString(value) => write!(into, "{value}"),
        AMQPValue::ByteArray(value) => write!(into, "{}", String::from_utf8_lossy(value.as_slice())),
        AMQPValue::Timestamp(seconds) => write!(into, "{}", moment(*seconds)),
        AMQPValue::FieldArray(values) => {
            into.push('[');
            for (nth, value) in values.as_slice().iter().enumerate() {
                into.push_str(if nth == 0 { "" } else { "," });
                show(value, into);
            }
            into.write_char(']')
        }
        AMQPValue::FieldTable(fields) => {
            into.push('{');
            for (nth, (name, value)) in fields.into_iter().enumerate() {
                let _ = write!(into, "{}{name}=", if nth == 0 { "" } else { "," });
                show(value, into);
            }
            into.write_char('}')
        }
        AMQPValue::Void => Ok(()),
    };
}

/// Seconds since 1970 as RFC 3339 has them.
fn moment(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    moment.map_or_else(|| seconds.to_string(), |moment| moment.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The value of a header that the server added.
pub(super) fn number(properties: &BasicProperties, name: &str) -> Option<i64> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongLongInt(value) => Some(*value),
        AMQPValue::LongInt(value) => Some(i64::from(*value)),
        AMQPValue::LongUInt(value) => Some(i64::from(*value)),
        _ => None,
    }
}

/// The text of a header.
pub(super) fn text(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Message {
        let mut builder = MessageBuilder::with_payload(b"{}");
        builder
            .key(b"k")
            .attribute(Attribute::Id, b"1")
            .attribute(Attribute::ContentType, b"application/json");
        builder.attribute(Attribute::TraceParent, b"00-1");
        builder.header(b"tenant", b"\xff\xfe");
        builder.build()
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        let message = sample();
        let properties = properties(&message).unwrap();
        let table = properties.headers().clone().unwrap();
        let names: Vec<&str> = table.inner().keys().map(ShortString::as_str).collect();
        assert_eq!(names, ["ce-id", "ce-partitionkey", "tenant", "traceparent"]);
        assert_eq!(properties.content_type().as_ref().map(ShortString::as_str), Some("application/json"));
        let again = super::message(&properties, message.payload());
        assert_eq!((again.payload(), again.key()), (message.payload(), message.key()));
        for attribute in Attribute::ALL {
            assert_eq!(again.attribute(attribute), message.attribute(attribute), "{attribute:?}");
        }
        assert_eq!(again.header("tenant"), Some(&b"\xff\xfe"[..]));
        assert_eq!(again.header_count(), message.header_count());
    }

    #[test]
    fn a_key_travels_whatever_the_attributes_say() {
        for (key, attribute) in
            [(&b""[..], None), (b"\xff", None), (b"k", Some(b"other")), (b"other", Some(b"other"))]
        {
            let mut builder = MessageBuilder::new();
            builder.key(key);
            if let Some(attribute) = attribute {
                builder.attribute(Attribute::PartitionKey, attribute);
            }
            let message = builder.build();
            let again = super::message(&properties(&message).unwrap(), b"");
            assert_eq!((again.key(), again.header_count()), (Some(key), message.header_count()));
            assert_eq!(again.attribute(Attribute::PartitionKey), attribute.map(|text| &text[..]));
        }
    }

    #[test]
    fn values_of_every_type_are_read() {
        let mut table = FieldTable::default();
        let mut put = |name: &str, value| _ = table.insert(short(name), value);
        put("cloudEvents:id", AMQPValue::LongLongInt(7));
        put("ce_time", AMQPValue::Timestamp(0));
        put("cloudEvents_type", AMQPValue::ByteArray(b"a.b.v1".to_vec().into()));
        put("CE-PartitionKey", AMQPValue::ShortString("k".into()));
        put("yes", AMQPValue::Boolean(true));
        put("none", AMQPValue::Void);
        put("list", AMQPValue::FieldArray(vec![AMQPValue::LongInt(1), AMQPValue::Double(1.5)].into()));
        put("x-delivery-count", AMQPValue::LongLongInt(3));
        put("x-first-death-reason", AMQPValue::LongString("expired".into()));
        let properties = BasicProperties::default().with_headers(table);
        let message = message(&properties, b"x");
        assert_eq!(message.attribute(Attribute::Id), Some(&b"7"[..]));
        assert_eq!(message.attribute(Attribute::Time), Some(&b"1970-01-01T00:00:00Z"[..]));
        assert_eq!(message.attribute(Attribute::Type), Some(&b"a.b.v1"[..]));
        assert_eq!((message.key(), message.header("yes")), (Some(&b"k"[..]), Some(&b"true"[..])));
        assert_eq!((message.header("list"), message.header("none")), (Some(&b"[1,1.5]"[..]), None));
        assert_eq!((message.header_count(), number(&properties, "x-delivery-count")), (5, Some(3)));
    }

    #[test]
    fn what_the_broker_cannot_carry_is_refused() {
        let kind = |names: &[&[u8]]| {
            let mut builder = MessageBuilder::new();
            names.iter().for_each(|name| _ = builder.header(name, b"x"));
            properties(&builder.build()).map(|_| ()).map_err(|error| error.kind())
        };
        assert_eq!(kind(&[b"a", b"b"]), Ok(()));
        assert_eq!(kind(&[b"a", b"a"]), Err(ErrorKind::InvalidHeader));
        assert_eq!(kind(&[b"\xff"]), Err(ErrorKind::InvalidHeader));
        let mut builder = MessageBuilder::new();
        builder.header(b"long", &[b'x'; 130 * 1024]);
        assert_eq!(properties(&builder.build()).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
