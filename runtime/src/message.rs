//! A message as backends carry it: payload, key, CloudEvents attributes and headers in one allocation.

mod builder;
mod unfolded;

use std::fmt;

use triomphe::ThinArc;

pub use self::builder::MessageBuilder;
#[cfg(any(feature = "nats", feature = "rabbitmq"))]
pub(crate) use self::builder::wire_attribute;
pub(crate) use self::builder::{Letterhead, Opening};

/// The most headers, attributes included, that a delivery may have.
pub const MAX_HEADERS: usize = 64;
/// The most bytes of headers, names and attributes included, that a delivery may have.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The CloudEvents attributes and extensions that typebus itself writes.
///
/// A backend spells them in its broker's own way: `ce_id` on Kafka and Pulsar, `ce-id` on RabbitMQ and NATS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Attribute {
    /// `specversion`, always `1.0`.
    SpecVersion = 1,
    /// `type`: the event's name and version, `order.placed.v2`.
    Type,
    /// `source`: the service that published.
    Source,
    /// `id`: unique within (source, type).
    Id,
    /// `time`: RFC 3339.
    Time,
    /// `datacontenttype`; the content type of the payload.
    ContentType,
    /// `partitionkey`; backends also write the key where their broker expects it.
    PartitionKey,
    /// `correlationid`: the id of the event that began the conversation.
    CorrelationId,
    /// `causationid`: the id of the event whose handling published this one.
    CausationId,
    /// `traceparent`, as W3C Trace Context spells it.
    TraceParent,
    /// `tracestate`, as W3C Trace Context spells it.
    TraceState,
}

impl Attribute {
    /// Every attribute, in the order in which they are written.
    pub const ALL: [Self; 11] = [
        Self::SpecVersion,
        Self::Type,
        Self::Source,
        Self::Id,
        Self::Time,
        Self::ContentType,
        Self::PartitionKey,
        Self::CorrelationId,
        Self::CausationId,
        Self::TraceParent,
        Self::TraceState,
    ];

    /// The name without a broker's prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpecVersion => "specversion",
            Self::Type => "type",
            Self::Source => "source",
            Self::Id => "id",
            Self::Time => "time",
            Self::ContentType => "datacontenttype",
            Self::PartitionKey => "partitionkey",
            Self::CorrelationId => "correlationid",
            Self::CausationId => "causationid",
            Self::TraceParent => "traceparent",
            Self::TraceState => "tracestate",
        }
    }

    /// The attribute with this name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name().as_bytes() == name)
    }

    fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag).checked_sub(1)?).copied()
    }
}

/// The content type that JSON payloads carry.
pub(crate) const JSON: &str = "application/json";

/// How the content types begin whose payload holds the envelope too: `application/cloudevents+json`, and the batch.
const STRUCTURED: &[u8] = b"application/cloudevents";

/// One entry of a message's envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// A CloudEvents attribute that typebus knows.
    Attribute(Attribute, &'a [u8]),
    /// Any other header: name, value. Also a CloudEvents extension that typebus does not know, with its prefix.
    Plain(&'a [u8], &'a [u8]),
}

/// An immutable message. Cloning is one atomic increment.
///
/// Layout: payload, key, then the headers, each as a tag byte, the lengths in little endian, and the bytes.
///
/// One thin pointer, which travels in a register: it changes hands half a dozen times between the publisher and the
/// handler, and every copy of a larger struct costs more than the one look behind the pointer.
#[derive(Clone)]
pub struct Message(ThinArc<Head, u8>);

/// Where the parts of a message are, and what is known of it.
#[derive(Debug, Clone, Copy)]
struct Head {
    payload_end: u32,
    key_end: u32,
    headers: u32,
    traits: Traits,
}

/// What is known of a message beside its bytes, in one word: a struct of odd small fields is copied in overlapping
/// pieces, which costs more than all of its bits.
#[derive(Clone, Copy, Default)]
struct Traits(u32);

impl Traits {
    const HAS_KEY: u32 = 1;
    const JSON: u32 = 1 << 1;
    /// The message was made of another one, which stands behind its headers.
    const UNFOLDED: u32 = 1 << 2;
    /// The payload holds the envelope too. It stands among the defects, so that one look tells both.
    const STRUCTURED: u32 = 1 << 24;
    /// The defect's kind and attribute begin at these bits.
    const DEFECT: u32 = 8;
    const ATTRIBUTE: u32 = 16;

    const fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    const fn set(&mut self, bit: u32) {
        self.0 |= bit;
    }

    /// The first defect stays.
    fn note(&mut self, defect: Defect) {
        if self.defect().is_none() {
            let (kind, attribute) = match defect {
                Defect::Repeated(attribute) => (1, attribute as u32),
                Defect::NotText(attribute) => (2, attribute as u32),
                Defect::Name => (3, 0),
            };
            self.0 |= kind << Self::DEFECT | attribute << Self::ATTRIBUTE;
        }
    }

    const fn is_sound(self) -> bool {
        self.0 >> Self::DEFECT == 0
    }

    fn note_content_type(&mut self, value: &[u8]) {
        let is_structured = |begin: &[u8]| begin.eq_ignore_ascii_case(STRUCTURED);
        if value == JSON.as_bytes() {
            self.set(Self::JSON);
        } else if value.trim_ascii_start().get(..STRUCTURED.len()).is_some_and(is_structured) {
            self.set(Self::STRUCTURED);
        }
    }

    fn defect(self) -> Option<Defect> {
        if self.is_sound() {
            return None;
        }
        let [_, kind, tag, _] = self.0.to_le_bytes();
        match (kind, Attribute::from_tag(tag)) {
            (1, Some(attribute)) => Some(Defect::Repeated(attribute)),
            (2, Some(attribute)) => Some(Defect::NotText(attribute)),
            (0, _) => None,
            _ => Some(Defect::Name),
        }
    }
}

impl fmt::Debug for Traits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#b}", self.0)
    }
}

/// Why the headers of a foreign message cannot be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// An attribute of the envelope is there twice, with different values.
    Repeated(Attribute),
    /// An attribute of the envelope is not UTF-8.
    NotText(Attribute),
    /// A header's name is not UTF-8.
    Name,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated(attribute) => {
                write!(f, "the attribute `{}` is there twice with different values", attribute.name())
            }
            Self::NotText(attribute) => write!(f, "the attribute `{}` is not UTF-8", attribute.name()),
            Self::Name => f.write_str("a header's name is not UTF-8"),
        }
    }
}

impl Message {
    #[inline]
    fn head(&self) -> &Head {
        &self.0.header.header
    }

    #[inline]
    fn data(&self) -> &[u8] {
        &self.0.slice
    }

    fn written_headers(&self) -> &[u8] {
        &self.data()[self.head().key_end as usize..]
    }

    /// The payload, as its codec wrote it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.data()[..self.head().payload_end as usize]
    }

    /// The key. `Some(b"")` is a foreign empty key, which is a lane of its own.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        let Head { payload_end, key_end, traits, .. } = *self.head();
        traits.has(Traits::HAS_KEY).then(|| &self.data()[payload_end as usize..key_end as usize])
    }

    /// Every attribute and header, in the order of writing.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers { rest: self.written_headers() }
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, attribute: Attribute) -> Option<&[u8]> {
        self.headers().find_map(|header| match header {
            Header::Attribute(found, value) if found == attribute => Some(value),
            Header::Attribute(..) | Header::Plain(..) => None,
        })
    }

    /// Whether the content type is exactly the one that typebus writes for JSON, so that it need not be looked at.
    pub(crate) fn is_plain_json(&self) -> bool {
        self.head().traits.has(Traits::JSON)
    }

    /// Whether the headers can be relied on, are few, and are short, and the envelope is among them.
    pub(crate) fn is_sound(&self) -> bool {
        self.head().traits.is_sound() && self.has_few_headers()
    }

    /// Whether the headers are few and short.
    pub(crate) fn has_few_headers(&self) -> bool {
        self.header_count() <= MAX_HEADERS
            && (self.written_headers().len() <= MAX_HEADER_BYTES || self.header_bytes() <= MAX_HEADER_BYTES)
    }

    /// Whether the content type says that the envelope is in the payload.
    pub(crate) fn is_structured(&self) -> bool {
        self.head().traits.has(Traits::STRUCTURED)
    }

    /// Whether the headers begin like this, which is one comparison.
    pub(crate) fn opens_with(&self, opening: &Opening) -> bool {
        self.written_headers().starts_with(&opening.0)
    }

    /// What a foreign producer did to the headers, if they cannot be relied on.
    #[must_use]
    pub fn defect(&self) -> Option<Defect> {
        self.head().traits.defect()
    }

    /// The last value of a plain header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let name = name.as_bytes();
        let value = |header| match header {
            Header::Plain(found, value) if found == name => Some(value),
            Header::Attribute(..) | Header::Plain(..) => None,
        };
        self.headers().filter_map(value).last()
    }

    /// How many attributes and headers there are.
    #[must_use]
    pub fn header_count(&self) -> usize {
        self.head().headers as usize
    }

    /// How many bytes the attributes and headers take.
    #[must_use]
    pub fn header_bytes(&self) -> usize {
        self.written_headers().len() - self.original_bytes()
    }

    /// The same message, to add headers to.
    pub(crate) fn to_builder(&self) -> MessageBuilder {
        let Head { payload_end, key_end, headers, traits } = *self.head();
        let (payload_end, key_end) = (payload_end as usize, key_end as usize);
        MessageBuilder {
            data: self.data().to_vec(),
            payload_end,
            key_end,
            headers,
            traits,
            written: u16::MAX,
        }
    }

    /// How many bytes the whole message takes in memory, payload, key and headers.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data().len()
    }
}

impl fmt::Debug for Message {
    /// Shows sizes and attributes; a payload may hold secrets, so its bytes are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |a| self.attribute(a).map(String::from_utf8_lossy);
        f.debug_struct("Message")
            .field("type", &text(Attribute::Type))
            .field("id", &text(Attribute::Id))
            .field("key_bytes", &self.key().map(<[u8]>::len))
            .field("payload_bytes", &self.payload().len())
            .field("headers", &self.header_count())
            .finish()
    }
}

impl Header<'_> {
    /// The value's bytes.
    #[must_use]
    pub const fn value(&self) -> &[u8] {
        match self {
            Self::Attribute(_, value) | Self::Plain(_, value) => value,
        }
    }
}

/// The headers of a [`Message`], in the order of writing.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

const PLAIN: u8 = 0;

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let (&tag, rest) = self.rest.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if tag == PLAIN {
            let (name_length, rest) = rest.split_first_chunk::<4>()?;
            let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
            let (value, rest) = rest.split_at_checked(length)?;
            self.rest = rest;
            return Some(Header::Plain(name, value));
        }
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Header::Attribute(Attribute::from_tag(tag)?, value))
    }
}
