//! Messages as NATS carries them: CloudEvents attributes as `ce-` headers, values as text in one line each.
//!
//! The binding of CloudEvents encodes the values of attributes by percent. Values of other headers are written as they
//! are; where a line cannot hold one it is encoded too, and [`ENCODED`] names the header.

use std::{borrow::Cow, time::Duration};

use async_nats::{HeaderMap, HeaderName};

use super::failure::error;
use crate::{
    backend::{Attribute, Header, Message, MessageBuilder, Sender},
    error::{Error, ErrorKind, Result},
    message::wire_attribute,
};

/// The key of a message, where `ce-partitionkey` cannot be it.
const KEY: &str = "typebus-key";
/// The names of headers whose values are encoded though the binding does not say so, separated by commas.
const ENCODED: &str = "typebus-encoded";
/// The same for headers whose names are encoded too.
const NAMED: &str = "typebus-named";
/// In how many milliseconds from its storing it expires, since the server counts whole seconds.
pub(super) const EXPIRES: &str = "typebus-expires";
/// How many milliseconds it waited before it was stored.
pub(super) const DELAYED: &str = "typebus-delayed";
/// What stands for a name of no length; nothing else is encoded like this.
const NAMELESS: &str = "%";
/// What the names of all of these begin with.
const OURS: &[u8] = b"typebus-";
/// Says who is pinned.
const PIN: &[u8] = b"nats-pin-id";
/// What the names of the server's own headers begin with.
const SERVERS: &[u8] = b"nats-";

/// The headers of a message on its way out.
///
/// # Errors
/// `InvalidHeader`: a name or a value cannot be carried. A dead letter's always can.
pub(super) fn headers(message: &Message, sender: Sender) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    let (mut encoded, mut named) = (String::new(), String::new());
    let is_ours = sender == Sender::DeadLetter;
    // A name is listed for all of its values: if one of them does not fit, all are encoded.
    let crowded: Vec<_> = message.headers().filter_map(crowds).collect();
    let mut told = false;
    for header in message.headers() {
        match header {
            Header::Attribute(attribute, value) => {
                told |= attribute == Attribute::PartitionKey;
                let name = attribute.name();
                match attribute {
                    // Others look for these without a prefix.
                    Attribute::TraceParent | Attribute::TraceState if fits(value).is_some() => {
                        map.append(name, fits(value).unwrap_or_default());
                    }
                    _ => map.append(prefixed(attribute), encode(value)),
                }
            }
            Header::Plain(original, value) => {
                let name = match name_of(original) {
                    // One that looks encoded is, where others are: it must not be taken for one of them.
                    Some(name) if !(is_ours && (name.contains('%') || is_servers(original))) => {
                        Cow::Borrowed(name)
                    }
                    _ if is_ours => {
                        let name = encode_name(original);
                        list(&mut named, &name);
                        Cow::Owned(name)
                    }
                    _ => {
                        return Err(refuse(
                            original,
                            "needs a name of visible ASCII without a colon; rename it",
                        ));
                    }
                };
                if is_servers(name.as_bytes()) {
                    return Err(refuse(original, "has a name of the server's own; rename it"));
                }
                if !crowded.contains(&original) {
                    map.append(&*name, fits(value).unwrap_or_default());
                } else if is_ours || std::str::from_utf8(value).is_ok() {
                    list(&mut encoded, &name);
                    map.append(&*name, encode(value));
                } else {
                    let why = "has a value that is not UTF-8, which the broker cannot carry; encode it";
                    return Err(refuse(original, why));
                }
            }
        }
    }
    if let Some(key) = message.key() {
        let is_text = !told && std::str::from_utf8(key).is_ok();
        map.insert(if is_text { "ce-partitionkey" } else { KEY }, encode(key));
    }
    if !encoded.is_empty() {
        map.insert(ENCODED, encoded);
    }
    if !named.is_empty() {
        map.insert(NAMED, named);
    }
    Ok(map)
}

/// The header that an attribute is.
const fn prefixed(attribute: Attribute) -> HeaderName {
    HeaderName::from_static(match attribute {
        Attribute::SpecVersion => "ce-specversion",
        Attribute::Type => "ce-type",
        Attribute::Source => "ce-source",
        Attribute::Id => "ce-id",
        Attribute::Time => "ce-time",
        Attribute::ContentType => "ce-datacontenttype",
        Attribute::PartitionKey => "ce-partitionkey",
        Attribute::CorrelationId => "ce-correlationid",
        Attribute::CausationId => "ce-causationid",
        Attribute::TraceParent => "ce-traceparent",
        Attribute::TraceState => "ce-tracestate",
    })
}

/// How many bytes the headers take in a message.
pub(super) fn size(map: &HeaderMap) -> usize {
    let lines = map.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(move |value| name.len() + value.as_str().len() + 4)
    });
    lines.sum::<usize>() + 14
}

/// A message as it arrived, from whomever, and what stood beside it.
pub(super) fn message<'a>(map: Option<&'a HeaderMap>, payload: &[u8]) -> (Message, Apart<'a>) {
    let all = map.into_iter().flat_map(HeaderMap::iter).flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(move |value| (name.as_bytes(), value.as_str().as_bytes()))
    });
    assemble(all, payload)
}

/// The same, of what the client cannot read: the block of headers as it is stored.
pub(super) fn raw_message(block: &[u8], payload: &[u8]) -> Message {
    let lines = block.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    assemble(lines, payload).0
}

/// Whether the client can read this block of headers.
pub(super) fn is_readable(block: &[u8]) -> bool {
    let is_name = |name: &[u8]| name_of(name).is_some();
    let is_line = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.is_empty()
            || line.iter().position(|byte| *byte == b':').is_some_and(|colon| is_name(&line[..colon]))
    };
    std::str::from_utf8(block).is_ok() && block.split(|byte| *byte == b'\n').skip(1).all(is_line)
}

/// A header of a message, and the attribute that it is.
struct Line<'a> {
    attribute: Option<Attribute>,
    name: &'a [u8],
    value: &'a [u8],
}

fn assemble<'a>(all: impl Iterator<Item = (&'a [u8], &'a [u8])>, payload: &[u8]) -> (Message, Apart<'a>) {
    let mut apart = Apart::default();
    // Each attribute in its place, and what else there is.
    let mut known: [Option<Line<'a>>; Attribute::ALL.len()] = [const { None }; Attribute::ALL.len()];
    let mut others = Vec::new();
    for (name, value) in all {
        if !apart.takes(name, value) {
            let attribute = wire_attribute(name);
            let line = Line { attribute, name, value };
            match attribute.and_then(|attribute| known.get_mut(attribute as usize - 1)) {
                Some(place) if place.is_none() => *place = Some(line),
                _ => others.push(line),
            }
        }
    }
    // Names have no order of their own on the wire.
    others.sort_by_key(|line| line.name);
    let mut builder = MessageBuilder::with_payload(payload);
    let told = known[Attribute::PartitionKey as usize - 1].as_ref().map(|line| line.value);
    if let Some(key) = apart.key.or(told) {
        builder.key(&decode(key));
    }
    let is_key = |line: &Line<'_>| {
        apart.key.is_none()
            && line.attribute == Some(Attribute::PartitionKey)
            && std::str::from_utf8(&decode(line.value)).is_ok()
    };
    // The type comes first, as typebus itself writes it.
    let kind = known[Attribute::Type as usize - 1].take();
    let lines = kind.into_iter().chain(known.into_iter().flatten()).chain(others);
    for line in lines.filter(|line| !is_key(line)) {
        let Line { attribute, name, value } = line;
        let is_attribute = attribute.is_some() && has_prefix(name);
        let value = if is_attribute || lists(apart.encoded, name) { decode(value) } else { value.into() };
        match attribute {
            _ if lists(apart.named, name) => builder.wire_header(&decode_name(name), &value),
            Some(attribute) => builder.foreign(Header::Attribute(attribute, &value)),
            None => builder.foreign(Header::Plain(name, &value)),
        };
    }
    (builder.build(), apart)
}

/// What is no header of the message.
#[derive(Debug, Default)]
pub(super) struct Apart<'a> {
    key: Option<&'a [u8]>,
    encoded: Option<&'a [u8]>,
    named: Option<&'a [u8]>,
    /// Who is pinned, as the server adds it.
    pub(super) pin: Option<&'a [u8]>,
    expires: Option<&'a [u8]>,
    delayed: Option<&'a [u8]>,
}

impl<'a> Apart<'a> {
    /// Says whether it was one.
    fn takes(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let is = |text: &[u8]| name.eq_ignore_ascii_case(text);
        // The server's comes behind whatever the publisher wrote.
        if is_servers(name) && is(PIN) {
            self.pin = Some(value);
            return true;
        }
        let place = match () {
            () if !begins(name, OURS) => return is_servers(name),
            () if is(KEY.as_bytes()) => &mut self.key,
            () if is(ENCODED.as_bytes()) => &mut self.encoded,
            () if is(NAMED.as_bytes()) => &mut self.named,
            () if is(EXPIRES.as_bytes()) => &mut self.expires,
            () if is(DELAYED.as_bytes()) => &mut self.delayed,
            () => return false,
        };
        place.get_or_insert(value);
        true
    }
}

fn begins(name: &[u8], with: &[u8]) -> bool {
    name.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with))
}

fn is_servers(name: &[u8]) -> bool {
    begins(name, SERVERS)
}

impl Apart<'_> {
    /// In how long from its storing it expires.
    pub(super) fn expires(&self) -> Option<Duration> {
        self.expires.and_then(millis)
    }

    /// How long it waited before it was stored.
    pub(super) fn delayed(&self) -> Option<Duration> {
        self.delayed.and_then(millis)
    }
}

fn millis(text: &[u8]) -> Option<Duration> {
    std::str::from_utf8(text).ok()?.parse().ok().map(Duration::from_millis)
}

fn has_prefix(name: &[u8]) -> bool {
    !name.eq_ignore_ascii_case(b"content-type")
        && !name.eq_ignore_ascii_case(b"traceparent")
        && !name.eq_ignore_ascii_case(b"tracestate")
}

fn name_of(name: &[u8]) -> Option<&str> {
    let is_visible = |byte: &u8| (33..=126).contains(byte) && *byte != b':';
    std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && name.as_bytes().iter().all(is_visible))
}

/// The value, if a line can hold it.
fn fits(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    (!text.contains(['\r', '\n', '\0']) && text.trim() == text).then_some(text)
}

/// The name of a header whose value a line cannot hold.
fn crowds(header: Header<'_>) -> Option<&[u8]> {
    match header {
        Header::Plain(name, value) if fits(value).is_none() => Some(name),
        _ => None,
    }
}

/// Adds a name to a list of names between commas. Its own commas are encoded there, and so is what encodes them.
fn list(names: &mut String, name: &str) {
    if lists(Some(names.as_bytes()), name.as_bytes()) {
        return;
    }
    if !names.is_empty() {
        names.push(',');
    }
    for byte in name.bytes() {
        match byte {
            b',' | b'%' => escape(names, byte),
            byte => names.push(char::from(byte)),
        }
    }
}

fn lists(names: Option<&[u8]>, name: &[u8]) -> bool {
    names.is_some_and(|names| names.split(|byte| *byte == b',').any(|listed| *decode(listed) == *name))
}

/// Encodes what the binding of CloudEvents asks for: space, `"`, `%`, and all that is not visible ASCII.
fn encode(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value {
        match byte {
            b'"' | b'%' => escape(&mut text, *byte),
            33..=126 => text.push(char::from(*byte)),
            byte => escape(&mut text, *byte),
        }
    }
    text
}

/// The name of a header that has to be encoded. Nothing is left that stands between names and values, or that makes it
/// one of the server's.
fn encode_name(name: &[u8]) -> String {
    if name.is_empty() {
        return NAMELESS.to_owned();
    }
    let mut text = encode(name).replace(':', "%3A");
    if is_servers(name) {
        text.replace_range(..1, &format!("%{:X}", name[0]));
    }
    text
}

fn decode_name(name: &[u8]) -> Cow<'_, [u8]> {
    if name == NAMELESS.as_bytes() { Cow::Borrowed(b"") } else { decode(name) }
}

fn escape(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// Decodes once; what is no encoding stays as it is.
fn decode(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'%') {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = match tail {
            [high, low, tail @ ..] if *first == b'%' => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    tail
                }
                _ => {
                    bytes.push(*first);
                    &rest[1..]
                }
            },
            tail => {
                bytes.push(*first);
                tail
            }
        };
    }
    Cow::Owned(bytes)
}

fn refuse(name: &[u8], why: &str) -> Error {
    error(ErrorKind::InvalidHeader, "publish", format!("header `{}` {why}", String::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::Defect;

    fn built(key: Option<&[u8]>, headers: &[(&[u8], &[u8])]) -> Message {
        let mut builder = MessageBuilder::with_payload(b"{}");
        if let Some(key) = key {
            builder.key(key);
        }
        builder.attribute(Attribute::Type, b"a.v1").attribute(Attribute::Id, "ä 1%".as_bytes());
        for (name, value) in headers {
            builder.header(name, value);
        }
        builder.build()
    }

    #[test]
    fn values_of_one_name_are_encoded_all_or_none_and_names_keep_their_commas() {
        let sent = built(None, &[(b"x,y", b" "), (b"x,y", b"%41"), (b"x", b"%41"), (b"y", b"%41")]);
        let map = headers(&sent, Sender::Program).unwrap();
        let values = |name: &str| map.get_all(name).map(|it| it.as_str()).collect::<Vec<_>>();
        assert_eq!((values("x,y"), values("x")), (vec!["%20", "%2541"], vec!["%41"]));
        assert_eq!(values(ENCODED), ["x%2Cy"]);
        assert_eq!(by_name(&message(Some(&map), b"{}").0), by_name(&sent));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            key in proptest::option::of(any::<Vec<u8>>()),
            all in proptest::collection::vec(("x|X|y,x|%78|y", "\\PC*|[ \\r\\n%a,2C]*"), 0..6),
        ) {
            let all: Vec<_> = all.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            let sent = built(key.as_deref(), &all);
            for sender in [Sender::Program, Sender::DeadLetter] {
                let map = headers(&sent, sender).unwrap();
                let (got, _) = message(Some(&map), sent.payload());
                prop_assert_eq!(got.key(), sent.key());
                prop_assert_eq!(by_name(&got), by_name(&sent), "{:?}", map);
            }
        }

        #[test]
        fn a_dead_letter_carries_any_name_and_value(
            all in proptest::collection::vec((bytes("(?s-u:.{0,3})|x|%78|x,y|Nats-x|[%:,a]{1,4}"), bytes("(?s-u:.*)|[ %a]*")), 0..6),
        ) {
            let all: Vec<_> = all.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let sent = built(None, &all);
            let map = headers(&sent, Sender::DeadLetter).unwrap();
            let (got, _) = message(Some(&map), sent.payload());
            prop_assert_eq!(by_name(&got), by_name(&sent), "{:?}", map);
        }
    }

    fn bytes(pattern: &str) -> impl Strategy<Value = Vec<u8>> {
        proptest::string::bytes_regex(pattern).unwrap()
    }

    /// Headers of one name in their order; names have none on the wire.
    fn by_name(message: &Message) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all: Vec<_> = message
            .headers()
            .map(|header| match header {
                Header::Attribute(attribute, value) => (attribute.name().as_bytes().to_vec(), value.to_vec()),
                Header::Plain(name, value) => (name.to_vec(), value.to_vec()),
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    #[test]
    fn what_others_write_is_read() {
        let mut map = HeaderMap::new();
        map.insert("ce_type", "order.placed.v1");
        map.insert("cloudEvents_source", "shop%20one");
        map.insert("Content-Type", "application/json");
        map.insert("traceparent", "00-1-2-01");
        map.insert("Nats-Msg-Id", "1");
        map.insert("note", "100%25");
        let (got, _) = message(Some(&map), b"{}");
        assert_eq!(got.attribute(Attribute::Type), Some(&b"order.placed.v1"[..]));
        assert_eq!(got.attribute(Attribute::Source), Some(&b"shop one"[..]));
        assert_eq!(got.attribute(Attribute::TraceParent), Some(&b"00-1-2-01"[..]));
        assert_eq!((got.header("note"), got.header_count()), (Some(&b"100%25"[..]), 5));
    }

    #[test]
    fn what_the_client_cannot_read_is_read_and_carried_as_a_dead_letter() {
        let block = b"NATS/1.0\r\nce-type: a\xff\r\nx\xfe: 1\r\nok: b\r\n\r\n";
        assert!(!is_readable(block) && is_readable(b"NATS/1.0\r\nok: b\r\n\r\n"));
        let odd = raw_message(block, b"p");
        assert!(matches!(odd.defect(), Some(Defect::NotText(_) | Defect::Name)));
        assert_eq!(headers(&odd, Sender::Program).unwrap_err().kind(), ErrorKind::InvalidHeader);
        let map = headers(&odd, Sender::DeadLetter).unwrap();
        let (again, _) = message(Some(&map), b"p");
        assert!(again.headers().eq(odd.headers()), "{map:?}");
    }
}
