//! A message as Kafka carries it: attributes are headers that begin with `ce_`, `content-type` and the headers of W3C
//! Trace Context aside; the payload is the value, and the key is the key.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{
    BorrowedHeaders, BorrowedMessage, Header as KafkaHeader, Headers, Message as _, OwnedHeaders,
};

use super::{errors::error, instance::Instance, names::ADDRESSEE, rebalance::Pulled};
use crate::{
    backend::{Attribute, Header, Message, MessageBuilder, Sender},
    error::{ErrorKind, Result},
};

/// The headers of a message.
///
/// # Errors
/// `InvalidHeader`: a name is not UTF-8, which the client cannot send. In a dead letter such a name is
/// percent-encoded: a letter that cannot be written would stop everything.
pub(super) fn headers(message: &Message, sender: Sender) -> Result<OwnedHeaders> {
    let mut headers = OwnedHeaders::new_with_capacity(message.header_count());
    for header in message.headers() {
        headers = match header {
            Header::Attribute(attribute, value) => insert(headers, name(attribute), value),
            Header::Plain(name, value) => match (std::str::from_utf8(name), sender) {
                (Ok(name), _) if !name.contains('\0') => insert(headers, name, value),
                (_, Sender::DeadLetter) => insert(headers, &encoded(name), value),
                _ => {
                    let text = format!(
                        "header `{}` needs a name of UTF-8 without NUL, which the broker's client cannot send \
                         otherwise; rename it",
                        String::from_utf8_lossy(name)
                    );
                    return Err(error(ErrorKind::InvalidHeader, "publish", text));
                }
            },
        };
    }
    Ok(headers)
}

/// The same, with the instance that a reply is for.
pub(super) fn addressed_to(headers: OwnedHeaders, topic: &str) -> OwnedHeaders {
    insert(headers, ADDRESSEE, topic.as_bytes())
}

/// What is not for this instance is for another one.
pub(super) fn addressed(mut pulled: Pulled, instance: Option<&Instance>) -> Option<Pulled> {
    let Some(reader) = instance.and_then(Instance::reader) else { return Some(pulled) };
    let is_mine = pulled.message.header(ADDRESSEE) == Some(reader.as_bytes());
    is_mine.then(|| {
        pulled.name = Some(reader.clone());
        pulled
    })
}

fn insert(headers: OwnedHeaders, key: &str, value: &[u8]) -> OwnedHeaders {
    headers.insert(KafkaHeader { key, value: Some(value) })
}

const fn name(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::SpecVersion => "ce_specversion",
        Attribute::Type => "ce_type",
        Attribute::Source => "ce_source",
        Attribute::Id => "ce_id",
        Attribute::Time => "ce_time",
        Attribute::ContentType => "content-type",
        Attribute::PartitionKey => "ce_partitionkey",
        Attribute::CorrelationId => "ce_correlationid",
        Attribute::CausationId => "ce_causationid",
        Attribute::TraceParent => "traceparent",
        Attribute::TraceState => "tracestate",
    }
}

fn encoded(name: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    let encode =
        |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    name.iter().map(encode).collect()
}

/// What arrived, whoever wrote it.
pub(super) fn message(arrived: &BorrowedMessage<'_>, builder: &mut MessageBuilder) -> Message {
    let value = arrived.payload().unwrap_or_default();
    let _ = builder.payload(|into| {
        into.extend_from_slice(value);
        Ok::<_, std::convert::Infallible>(())
    });
    if let Some(key) = arrived.key() {
        builder.key(key);
    }
    if let Some(headers) = arrived.headers() {
        for at in 0..headers.count() {
            match read(headers, at) {
                Some((name, value)) => builder.wire_header(name.as_bytes(), value),
                None => builder.wire_header(NOT_TEXT, b""),
            };
        }
    }
    builder.build()
}

/// Stands for a name that is no text: the client shows neither it nor its value.
const NOT_TEXT: &[u8] = b"\xff";

/// One header. The client panics at a name that is not UTF-8, and has no other way to read one; a null is empty.
fn read(headers: &BorrowedHeaders, at: usize) -> Option<(&str, &[u8])> {
    let header = catch_unwind(AssertUnwindSafe(|| headers.try_get(at))).ok()??;
    Some((header.key, header.value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: &Message, sender: Sender) -> Result<Vec<(String, Vec<u8>)>> {
        let headers = headers(message, sender)?;
        let shown = |header: KafkaHeader<'_, &[u8]>| (header.key.to_owned(), header.value.unwrap().to_vec());
        Ok(headers.iter().map(shown).collect())
    }

    #[test]
    fn every_attribute_has_a_header_that_is_read_as_it_again() {
        let mut builder = MessageBuilder::with_payload(b"x");
        for attribute in Attribute::ALL {
            builder.attribute(attribute, b"v");
        }
        builder.header(b"again", b"1").header(b"again", b"\xff");
        let message = builder.build();
        let sent = sent(&message, Sender::Program).unwrap();
        let mut back = MessageBuilder::with_payload(b"x");
        sent.iter().for_each(|(name, value)| _ = back.wire_header(name.as_bytes(), value));
        assert!(back.build().headers().eq(message.headers()));
    }

    #[test]
    fn only_a_dead_letter_has_a_name_encoded() {
        let message = MessageBuilder::with_payload(b"x").header(b"a%\xff", b"1").build();
        assert_eq!(sent(&message, Sender::Program).unwrap_err().kind(), ErrorKind::InvalidHeader);
        assert_eq!(sent(&message, Sender::DeadLetter).unwrap()[0].0, "a%25%FF");
    }

    #[test]
    fn a_name_that_is_no_text_is_noted_and_not_fatal() {
        // The client checks names when it reads, not when it writes: a lone surrogate cannot be made here, so the
        // reading of sound ones is shown, and the rest on a server.
        let headers = OwnedHeaders::new().insert(KafkaHeader { key: "a", value: None::<&[u8]> });
        assert_eq!(read(headers.as_borrowed(), 0), Some(("a", b"".as_slice())));
        assert_eq!(read(headers.as_borrowed(), 1), None);
    }
}
