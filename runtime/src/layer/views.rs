//! What layers are shown.

use std::{fmt, time::Duration};

use crate::{
    backend::{Confirmation, Delivery, Position, Sender, Subscription},
    envelope::split_kind,
    error::{Error, Result},
    event::EventDescriptor,
    message::{Attribute, Message},
    metadata::Metadata,
    outcome::Outcome,
    outlet::Outlet,
    outputs::{Reason, Rejected},
    topic::Topic,
};

/// An event that is about to be published, as [`Layer::publish`](super::Layer::publish) sees it.
pub struct Publication<'a> {
    pub(crate) outlet: &'a Outlet,
    pub(crate) topic: &'a Topic,
    pub(crate) message: &'a Message,
    pub(crate) sender: Sender,
    pub(crate) cause: Option<&'a Delivery>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Publication<'_> {
    /// Adds a header, as [`Publish::header`](crate::Publish::header) does, with the same rules; a mistake is the
    /// publication's `InvalidHeader`. `traceparent` and `tracestate` replace the trace context.
    pub fn header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.headers.push((name.into(), value.into()));
    }

    /// The service that publishes.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.outlet.source()
    }

    /// The broker, as in OpenTelemetry's `messaging.system`.
    #[must_use]
    pub fn system(&self) -> &'static str {
        self.outlet.backend.system()
    }

    /// The exact topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic
    }

    /// The topic as the service declares it: the pattern, where a field stands in it. There are few of these.
    #[must_use]
    pub fn destination(&self) -> &str {
        self.outlet.declared(self.topic)
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.kind().0
    }

    /// The version of the payload's shape.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.kind().1
    }

    fn kind(&self) -> (&str, u16) {
        self.text(Attribute::Type).map_or(("", 1), split_kind)
    }

    fn text(&self, attribute: Attribute) -> Option<&str> {
        std::str::from_utf8(self.message.attribute(attribute)?).ok()
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text(Attribute::Id).unwrap_or_default()
    }

    /// The id of the event that began the conversation, where a handler publishes.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.text(Attribute::CorrelationId)
    }

    /// The W3C trace context: what the publisher gave, or that of the delivery being handled.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.text(Attribute::TraceParent)
    }

    /// The state that goes with [`traceparent`](Self::traceparent).
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.text(Attribute::TraceState)
    }

    /// The message as it was written, without what layers add.
    #[must_use]
    pub const fn message(&self) -> &Message {
        self.message
    }

    /// The delivery whose handling publishes it; of a batch the first. For a dead letter, the delivery that it was.
    #[must_use]
    pub fn cause(&self) -> Option<Metadata> {
        self.cause.map(|cause| Metadata::new(cause, None))
    }

    /// Whether it is a dead letter, which the bus writes itself.
    #[must_use]
    pub const fn is_dead_letter(&self) -> bool {
        matches!(self.sender, Sender::DeadLetter)
    }
}

impl fmt::Debug for Publication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("topic", &self.topic())
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// The broker's answer to a publication.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub(crate) answer: Result<&'a Confirmation, &'a Error>,
    pub(crate) duration: Duration,
}

impl<'a> Sent<'a> {
    /// Why it is not confirmed, and will not be.
    #[must_use]
    pub fn error(&self) -> Option<&'a Error> {
        self.answer.err()
    }

    /// The partition in which it is stored, where the broker has partitions.
    #[must_use]
    pub fn partition(&self) -> Option<u32> {
        self.answer.ok()?.partition
    }

    /// The place in which it is stored, where the broker tells.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.answer.ok()?.position
    }

    /// How long it took, repeats included.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }
}

/// A delivery in one subscription.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    pub(crate) outlet: &'a Outlet,
    pub(crate) subscription: &'a Subscription,
    pub(crate) delivery: &'a Delivery,
    pub(crate) event: Option<&'static EventDescriptor>,
    pub(crate) handler: Option<&'static str>,
    pub(crate) attempt: u32,
}

impl<'a> Received<'a> {
    /// The service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.outlet.source()
    }

    /// The broker, as in OpenTelemetry's `messaging.system`.
    #[must_use]
    pub fn system(&self) -> &'static str {
        self.outlet.backend.system()
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &'a str {
        &self.subscription.group
    }

    /// What the group subscribes to: a topic or a pattern. There are few of these.
    #[must_use]
    pub fn subscription(&self) -> &'a str {
        &self.subscription.filter
    }

    /// The exact topic.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        &self.delivery.topic
    }

    /// Its handler; `None` when it has just arrived, and for what is skipped.
    #[must_use]
    pub const fn handler(&self) -> Option<&'static str> {
        self.handler
    }

    /// Which attempt it is at, from 1; 0 when it has just arrived, and for what is skipped.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.delivery.message.payload()
    }

    /// Id, key, headers and the rest, to keep.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata::new(self.delivery, self.event)
    }
}

impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("group", &self.group())
            .field("handler", &self.handler)
            .field("attempt", &self.attempt)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    pub(crate) rejected: Option<&'a Rejected>,
    pub(crate) duration: Duration,
}

impl<'a> Ended<'a> {
    /// What the handler, or its error, said. Where it is `Retry` the attempts may nevertheless be used up.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.rejected.map_or(Outcome::Ack, |rejected| rejected.outcome)
    }

    /// In which way it failed.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.rejected.map(|rejected| rejected.reason)
    }

    /// What its error said, at most 1 KiB.
    #[must_use]
    pub fn error(&self) -> Option<&'a str> {
        self.rejected.map(|rejected| &*rejected.error)
    }

    /// How long it took.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Settlement {
    /// Its handler is done, and what it returned is confirmed.
    Handled,
    /// An outcome, or `dead_letter = discard`, said so.
    Discarded,
    /// The group does not handle the event.
    Skipped,
    /// Its dead letter is confirmed.
    DeadLettered(Reason),
    /// It repeats finished work, and was not run (`dedupe`).
    Repeated,
    /// A request for whose reply nobody waits any more; it was not run.
    Expired,
}

impl Settlement {
    /// One word, as in `typebus.outcome` of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Discarded => "discarded",
            Self::Skipped => "skipped",
            Self::DeadLettered(_) => "dead_lettered",
            Self::Repeated => "repeated",
            Self::Expired => "expired",
        }
    }
}

/// How much a subscription has in hand.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub(crate) service: &'static str,
    pub(crate) system: &'static str,
    pub(crate) subscription: &'a Subscription,
    pub(crate) running: usize,
    pub(crate) held: usize,
    pub(crate) held_bytes: usize,
    pub(crate) oldest: Option<Duration>,
}

impl<'a> Load<'a> {
    /// The service.
    #[must_use]
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The broker, as in OpenTelemetry's `messaging.system`.
    #[must_use]
    pub const fn system(&self) -> &'static str {
        self.system
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &'a str {
        &self.subscription.group
    }

    /// The topic or pattern.
    #[must_use]
    pub fn subscription(&self) -> &'a str {
        &self.subscription.filter
    }

    /// Attempts that run.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.running
    }

    /// Deliveries that were taken and are not settled.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Their bytes.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// How long ago the oldest of them was taken.
    #[must_use]
    pub const fn oldest(&self) -> Option<Duration> {
        self.oldest
    }
}
