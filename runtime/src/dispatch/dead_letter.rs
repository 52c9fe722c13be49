//! Dead letters: how they are written, and how they are read again.
//!
//! A dead letter is the original message, byte for byte, with its key, attributes and headers, on the group's own
//! topic, and with headers of ours beside them: why, what was said, after how many attempts, by which handler, and
//! where and when it came from.

use std::{fmt, time::SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    backend::{Delivery, Header, Message, MessageBuilder, Past, Position},
    metadata::Metadata,
    outputs::Reason,
    reply::{ERROR, REASON},
};

const ATTEMPTS: &str = "typebus-attempts";
const HANDLER: &str = "typebus-handler";
const GROUP: &str = "typebus-group";
pub(super) const TOPIC: &str = "typebus-origin-topic";
pub(super) const PARTITION: &str = "typebus-origin-partition";
pub(super) const POSITION: &str = "typebus-origin-position";
/// How often it was replayed.
pub(super) const REDRIVEN: &str = "typebus-redriven";
const FIRST: &str = "typebus-first";
const LAST: &str = "typebus-last";

/// Everything that is said of a dead letter.
#[derive(Debug)]
pub(crate) struct Obituary<'a> {
    pub(crate) delivery: &'a Delivery,
    pub(crate) reason: Reason,
    /// At most 1 KiB.
    pub(crate) error: &'a str,
    pub(crate) attempts: u32,
    pub(crate) handler: &'a str,
    pub(crate) group: &'a str,
    pub(crate) first: Option<SystemTime>,
}

impl Obituary<'_> {
    /// The dead letter, at most `max` bytes if that can be had: the sender's own headers go first.
    pub(crate) fn write(&self, max: usize) -> Message {
        let whole = self.build(true);
        if whole.size() <= max { whole } else { self.build(false) }
    }

    fn build(&self, with_headers: bool) -> Message {
        let original = self.delivery.message.original();
        let message = original.as_ref().unwrap_or(&self.delivery.message);
        let mut builder = MessageBuilder::with_payload(message.payload());
        if let Some(key) = message.key() {
            builder.key(key);
        }
        for header in message.headers() {
            match header {
                Header::Attribute(attribute, value) => _ = builder.attribute(attribute, value),
                // A foreign producer may have forged headers of ours.
                Header::Plain(name, _) if name.starts_with(b"typebus-") => {}
                Header::Plain(name, value) if with_headers => _ = builder.header(name, value),
                Header::Plain(..) => {}
            }
        }
        let last = SystemTime::now();
        let mut ours = |name: &str, value: &str| _ = builder.header(name.as_bytes(), value.as_bytes());
        ours(REASON, self.reason.as_str());
        ours(ERROR, self.error);
        ours(ATTEMPTS, &self.attempts.to_string());
        ours(HANDLER, self.handler);
        ours(GROUP, self.group);
        ours(TOPIC, &self.delivery.topic);
        if let Some(partition) = self.delivery.partition {
            ours(PARTITION, &partition.to_string());
        }
        if let Some(position) = self.delivery.position {
            ours(POSITION, &position.to_string());
        }
        if let Some(Past { redriven: nth @ 1.., .. }) = self.delivery.past.as_deref() {
            ours(REDRIVEN, &nth.to_string());
        }
        ours(FIRST, &time(self.first.unwrap_or(last)));
        ours(LAST, &time(last));
        builder.build()
    }
}

fn time(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A delivery that was given up, as [`Bus::dead_letters`](crate::Bus::dead_letters) lists it.
#[derive(Clone)]
pub struct DeadLetter {
    metadata: Metadata,
}

impl DeadLetter {
    pub(crate) fn new(delivery: &Delivery) -> Self {
        Self { metadata: Metadata::new(delivery, None) }
    }

    pub(crate) const fn delivery(&self) -> &Delivery {
        self.metadata.delivery()
    }

    fn number<T: std::str::FromStr>(&self, header: &str) -> Option<T> {
        self.metadata.header(header)?.parse().ok()
    }

    fn moment(&self, header: &str) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(self.metadata.header(header)?).ok().map(Into::into)
    }

    /// Why it was given up; [`Reason::Failed`] where another program wrote a word that this version does not know.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.metadata.header(REASON).and_then(Reason::from_word).unwrap_or(Reason::Failed)
    }

    /// What the last attempt said, at most 1 KiB.
    #[must_use]
    pub fn error(&self) -> &str {
        self.metadata.header(ERROR).unwrap_or_default()
    }

    /// How many attempts were made; 0 if it was never run.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.number(ATTEMPTS).unwrap_or_default()
    }

    /// The handler that gave it up.
    #[must_use]
    pub fn handler(&self) -> &str {
        self.metadata.header(HANDLER).unwrap_or_default()
    }

    /// The group that gave it up.
    #[must_use]
    pub fn group(&self) -> &str {
        self.metadata.header(GROUP).unwrap_or_default()
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            topic: self.metadata.header(TOPIC).unwrap_or_default().to_owned(),
            partition: self.number(PARTITION),
            position: self.metadata.header(POSITION).unwrap_or_default().to_owned(),
        }
    }

    /// How often it was replayed before.
    #[must_use]
    pub fn redriven(&self) -> u32 {
        self.number(REDRIVEN).unwrap_or_default()
    }

    /// When its first attempt failed.
    #[must_use]
    pub fn first(&self) -> Option<DateTime<Utc>> {
        self.moment(FIRST)
    }

    /// When it was given up.
    #[must_use]
    pub fn last(&self) -> Option<DateTime<Utc>> {
        self.moment(LAST)
    }

    /// The original payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.metadata.delivery().message.payload()
    }

    /// The original id, key and headers; topic and position are those of the dead letter itself.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("reason", &self.reason())
            .field("error", &self.error())
            .field("attempts", &self.attempts())
            .field("handler", &self.handler())
            .field("origin", &self.origin())
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// Where a dead letter came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The topic.
    pub topic: String,
    /// The partition, where the broker has partitions.
    pub partition: Option<u32>,
    /// The position, as [`Position`] displays it; empty where the broker does not tell.
    pub position: String,
}

impl Origin {
    /// Whether it is this place.
    #[must_use]
    pub fn is(&self, topic: &str, partition: Option<u32>, position: Position) -> bool {
        self.topic == topic && self.partition == partition && self.position == position.to_string()
    }
}
