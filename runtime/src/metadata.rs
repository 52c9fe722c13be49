//! What is known of a delivery beside its event.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    backend::{Delivery, Header, Position},
    envelope::split_kind,
    event::EventDescriptor,
    message::Attribute,
};

/// Id, key, times, place and headers of a delivery. Cheap to clone; everything is read when it is asked for.
///
/// Nothing in here grants access: every producer on the topic can write what it likes.
#[derive(Clone)]
pub struct Metadata {
    delivery: Delivery,
    /// The event that the program knows it to be, also where the message itself has no type.
    event: Option<&'static EventDescriptor>,
}

impl Metadata {
    pub(crate) fn new(delivery: &Delivery, event: Option<&'static EventDescriptor>) -> Self {
        Self { delivery: delivery.clone(), event }
    }

    pub(crate) const fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    pub(crate) const fn event(&self) -> Option<&'static EventDescriptor> {
        self.event
    }

    fn text(&self, attribute: Attribute) -> Option<&str> {
        std::str::from_utf8(self.delivery.message.attribute(attribute)?).ok()
    }

    /// The event's id; empty where a foreign producer gave none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text(Attribute::Id).unwrap_or_default()
    }

    /// The id, if it is a UUID.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        Uuid::parse_str(self.id()).ok()
    }

    /// The event's name, without its version.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.event {
            Some(event) => event.name(),
            None => self.text(Attribute::Type).map_or("", |kind| split_kind(kind).0),
        }
    }

    /// The version of the payload's shape.
    #[must_use]
    pub fn version(&self) -> u16 {
        match self.event {
            Some(event) => event.version(),
            None => self.text(Attribute::Type).map_or(1, |kind| split_kind(kind).1),
        }
    }

    /// The service that published it; empty where a foreign producer did not say.
    #[must_use]
    pub fn source(&self) -> &str {
        self.text(Attribute::Source).unwrap_or_default()
    }

    /// When it was published, by the publisher's clock, on Linux at most 10 ms behind: for display, not for order or lag.
    #[must_use]
    pub fn time(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(self.text(Attribute::Time)?).ok().map(Into::into)
    }

    /// The key, if there is one and it is UTF-8.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        std::str::from_utf8(self.delivery.message.key()?).ok()
    }

    /// The id of the event that began the conversation.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.text(Attribute::CorrelationId)
    }

    /// The id of the event whose handling published this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<&str> {
        self.text(Attribute::CausationId)
    }

    /// The W3C trace context.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.text(Attribute::TraceParent)
    }

    /// The state that goes with [`traceparent`](Self::traceparent).
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.text(Attribute::TraceState)
    }

    /// The topic it was published on.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.delivery.topic
    }

    /// The partition, where the broker has partitions.
    #[must_use]
    pub const fn partition(&self) -> Option<u32> {
        self.delivery.partition
    }

    /// The place in the topic, where the broker tells.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.delivery.position
    }

    /// How often this delivery was replayed from the dead letters; 0 for one that never was. What a header says
    /// counts only there.
    #[must_use]
    pub fn redriven(&self) -> u32 {
        self.delivery.past.as_deref().map_or(0, |past| past.redriven)
    }

    /// The last value of a header, if it is UTF-8. Attributes of the envelope are not among the headers.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.delivery.message.header(name)?).ok()
    }

    /// Every header as bytes, in the order of sending, repeats included.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.delivery.message.headers().filter_map(|header| match header {
            Header::Plain(name, value) => Some((name, value)),
            Header::Attribute(..) => None,
        })
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("version", &self.version())
            .field("source", &self.source())
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
