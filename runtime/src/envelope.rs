//! The envelope: CloudEvents 1.0 attributes around a payload, and the ids that make a repeat recognisable.
//!
//! Binary mode of CloudEvents 1.0 (<https://github.com/cloudevents/spec>): attributes beside the payload, spelt by
//! each backend in its broker's headers. Always written: `specversion`, `type`, `source`, `id`, `time`,
//! `datacontenttype`; where present `partitionkey`, `correlationid`, `causationid`, `traceparent`, `tracestate`.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use chrono::DateTime;
use uuid::Uuid;

use crate::{
    backend::Delivery,
    clock::since_1970,
    codec::Encoded,
    error::{Error, ErrorKind, Result},
    event::EventDescriptor,
    key::MAX_KEY_BYTES,
    message::{Attribute, Header, Letterhead, MAX_HEADER_BYTES, MAX_HEADERS, Message, MessageBuilder},
    scope::Scope,
};

/// Ids that are derived, not drawn, are `UUIDv5(NAMESPACE, length-prefixed fields)` (RFC 9562, section 5.5).
pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(0x7479_7065_6275_7300_8000_6576_656e_7473);

/// Which id an event gets where it declares none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Identity<'a> {
    /// A new UUIDv7.
    Fresh,
    /// What the caller said; it wins over a declared one.
    Given(&'a str),
    /// The same whenever the same cause is handled again.
    Derived(Uuid),
}

/// What goes into an envelope beside the event itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) identity: Identity<'a>,
    pub(crate) key: Option<&'a str>,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) cause: Option<Cause<'a>>,
}

impl Stamp<'_> {
    pub(crate) const PLAIN: Self = Self { identity: Identity::Fresh, key: None, headers: &[], cause: None };

    /// Puts the envelope around what was encoded.
    #[inline]
    pub(crate) fn seal(
        &self,
        event: &EventDescriptor,
        letterhead: &Letterhead,
        encoded: &mut Encoded,
    ) -> Result<Message> {
        let Encoded { builder, id, has_id, .. } = encoded;
        if let Some(key) = self.key {
            builder.key(key.as_bytes());
        }
        if let Some(key) = builder.written_key() {
            check_key(event, key.len())?;
        }
        let payload_and_key = builder.len();
        builder.letterhead(letterhead);
        let now = since_1970();
        builder.fixed_attribute(Attribute::Time, &rfc3339(now));
        match (self.identity, *has_id) {
            (Identity::Given(id), _) => declared_id(builder, event, id.as_bytes())?,
            (_, true) => declared_id(builder, event, id)?,
            (Identity::Fresh, false) => uuid(builder, fresh_id(now)),
            (Identity::Derived(id), false) => uuid(builder, id),
        }
        if let Some(cause) = self.cause {
            let message = &cause.delivery.message;
            let causation = message.attribute(Attribute::Id);
            // A trace context of the publisher's own takes the place of the cause's.
            let own_trace = self.headers.iter().any(|(name, _)| name == "traceparent");
            for (attribute, value) in [
                (Attribute::CorrelationId, message.attribute(Attribute::CorrelationId).or(causation)),
                (Attribute::CausationId, causation),
                (Attribute::TraceParent, message.attribute(Attribute::TraceParent).filter(|_| !own_trace)),
                (Attribute::TraceState, message.attribute(Attribute::TraceState).filter(|_| !own_trace)),
            ] {
                if let Some(value) = value {
                    builder.attribute(attribute, value);
                }
            }
        }
        for (name, value) in self.headers {
            check_header(name)?;
            builder.wire_header(name.as_bytes(), value.as_bytes());
        }
        let message = builder.build();
        if let Some(defect) = message.defect() {
            return Err(Error::new(ErrorKind::InvalidHeader, "publish", defect.to_string()));
        }
        if message.header_count() > MAX_HEADERS || builder.len() - payload_and_key > MAX_HEADER_BYTES {
            let message = format!(
                "{} has {} headers of {} bytes; at most {MAX_HEADERS} of {MAX_HEADER_BYTES} bytes together are read",
                event.ty,
                message.header_count(),
                builder.len() - payload_and_key
            );
            return Err(Error::new(ErrorKind::InvalidHeader, "publish", message));
        }
        Ok(message)
    }
}

fn declared_id(builder: &mut MessageBuilder, event: &EventDescriptor, id: &[u8]) -> Result<()> {
    if id.is_empty() {
        let message = format!("the id of {} is empty; an id identifies the fact", event.ty);
        return Err(Error::new(ErrorKind::Encode, "publish", message));
    }
    builder.attribute(Attribute::Id, id);
    Ok(())
}

fn uuid(builder: &mut MessageBuilder, id: Uuid) {
    builder.fixed_attribute(Attribute::Id, &hyphenated(id));
}

/// The text of a UUID, two digits at a time: every message has one, and the library's writes one digit at a time.
fn hyphenated(id: Uuid) -> [u8; 36] {
    const PAIRS: [[u8; 2]; 256] = {
        let digits = b"0123456789abcdef";
        let mut pairs = [[0; 2]; 256];
        let mut byte = 0;
        while byte < pairs.len() {
            pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
            byte += 1;
        }
        pairs
    };
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut text = [b'-'; 36];
    for (byte, place) in id.as_bytes().iter().zip(PLACES) {
        text[place..place + 2].copy_from_slice(&PAIRS[usize::from(*byte)]);
    }
    text
}

/// What every message of an event has in common. The type comes first: it is what a reader looks for first.
pub(crate) fn letterhead(event: &EventDescriptor, source: &str) -> Letterhead {
    Letterhead::new(&[
        (Attribute::Type, event.kind),
        (Attribute::ContentType, event.content_type),
        (Attribute::SpecVersion, "1.0"),
        (Attribute::Source, source),
    ])
}

fn check_key(event: &EventDescriptor, bytes: usize) -> Result<()> {
    if (1..=MAX_KEY_BYTES).contains(&bytes) {
        return Ok(());
    }
    let message = format!(
        "the key of {} has {bytes} bytes; a key has 1 to {MAX_KEY_BYTES} (use an `Option` field for an absent key)",
        event.ty
    );
    Err(Error::new(ErrorKind::InvalidKey, "publish", message))
}

/// A sealed message with more headers. A trace context takes the place of the one that is there.
pub(crate) fn amend(message: &Message, headers: &[(String, String)]) -> Result<Message> {
    let mut builder = MessageBuilder::with_payload(message.payload());
    if let Some(key) = message.key() {
        builder.key(key);
    }
    let traced = headers.iter().any(|(name, _)| name == "traceparent");
    for header in message.headers() {
        match header {
            Header::Attribute(Attribute::TraceParent | Attribute::TraceState, _) if traced => {}
            Header::Attribute(attribute, value) => _ = builder.attribute(attribute, value),
            Header::Plain(name, value) => _ = builder.header(name, value),
        }
    }
    for (name, value) in headers {
        check_header(name)?;
        builder.wire_header(name.as_bytes(), value.as_bytes());
    }
    let message = builder.build();
    let defect = message.defect().map(|defect| defect.to_string());
    let defect = defect.or_else(|| {
        let (count, bytes) = (message.header_count(), message.header_bytes());
        (count > MAX_HEADERS || bytes > MAX_HEADER_BYTES).then(|| {
            format!(
                "with the headers of the layers it has {count} headers of {bytes} bytes; at most {MAX_HEADERS} of \
                 {MAX_HEADER_BYTES} bytes together are read"
            )
        })
    });
    defect.map_or(Ok(message), |text| Err(Error::new(ErrorKind::InvalidHeader, "publish", text)))
}

pub(crate) fn check_header(name: &str) -> Result<()> {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let problem = if name.is_empty() || name.len() > 64 || !name.bytes().all(known) {
        "a header's name is 1 to 64 characters of `[a-z0-9-]`"
    } else if name.starts_with("ce-") || name.starts_with("typebus-") || name == "content-type" {
        "names that begin with `ce-` or `typebus-`, and `content-type`, are written by the bus itself"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidHeader, "publish", format!("header {name:?}: {problem}")))
}

/// The delivery whose handling publishes something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause<'a> {
    pub(crate) delivery: &'a Delivery,
}

impl Cause<'_> {
    /// `UUIDv5(group, handler, source, id, [role,] index)`, so that handling the same delivery again gives the same
    /// event.
    pub(crate) fn derive_id(self, scope: &Scope, role: Option<&[u8]>, index: u32) -> Uuid {
        name(|fields| {
            field(fields, scope.group.as_bytes());
            field(fields, scope.handler.as_bytes());
            identify(fields, self.delivery);
            if let Some(role) = role {
                field(fields, role);
            }
            field(fields, &index.to_be_bytes());
        })
    }

    /// `UUIDv5(source, id, source, id, …)` of several deliveries.
    pub(crate) fn name_all(deliveries: &[&Delivery]) -> Uuid {
        name(|fields| deliveries.iter().for_each(|delivery| identify(fields, delivery)))
    }
}

/// `UUIDv5(NAMESPACE, fields)`.
fn name(write: impl FnOnce(&mut Vec<u8>)) -> Uuid {
    thread_local!(static FIELDS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    FIELDS.with_borrow_mut(|fields| {
        fields.clear();
        write(fields);
        Uuid::new_v5(&NAMESPACE, fields)
    })
}

/// A field with its length before it, so that no two lists of fields are the same bytes.
fn field(fields: &mut Vec<u8>, bytes: &[u8]) {
    fields.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    fields.extend_from_slice(bytes);
}

/// What identifies a delivery: source and id, or, without an id, topic, partition and position.
fn identify(fields: &mut Vec<u8>, delivery: &Delivery) {
    let message = &delivery.message;
    field(fields, message.attribute(Attribute::Source).unwrap_or_default());
    match message.attribute(Attribute::Id) {
        Some(id) => field(fields, id),
        None => field(fields, place(delivery).as_bytes()),
    }
}

/// What identifies a delivery without an id: `topic/partition/position`.
pub(crate) fn place(delivery: &Delivery) -> String {
    let Delivery { topic, partition, position, .. } = delivery;
    let position = position.map(|position| position.to_string()).unwrap_or_default();
    format!("{topic}/{}/{position}", partition.unwrap_or_default())
}

/// A UUIDv7 of this millisecond. Its 74 random bits come from a thread's own generator: an id must be unique, not
/// secret.
fn fresh_id(now: Duration) -> Uuid {
    let random = fastrand::u128(..).to_le_bytes();
    let [random @ .., _, _, _, _, _, _] = random;
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// `2026-11-24T05:51:08.123Z`. The last text is kept, since most messages share its millisecond, and nearly all its
/// second.
fn rfc3339(now: Duration) -> [u8; 24] {
    thread_local!(static LAST: Cell<(u64, [u8; 24])> = const { Cell::new((u64::MAX, [b'0'; 24])) });
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX - 1);
    let (last, mut text) = LAST.get();
    if last == now {
        return text;
    }
    if last / 1_000 != now / 1_000 {
        let date = i64::try_from(now / 1_000).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let date = date.unwrap_or_default().format("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        text = date.as_bytes().try_into().unwrap_or(text);
    }
    let mut millis = now % 1_000;
    for digit in text[20..23].iter_mut().rev() {
        *digit = b'0' + u8::try_from(millis % 10).unwrap_or_default();
        millis /= 10;
    }
    LAST.set((now, text));
    text
}

/// Splits `order.placed.v2` into name and version; without a `.vN` the version is 1.
pub(crate) fn split_kind(kind: &str) -> (&str, u16) {
    let version = |digits: &str| {
        let is_number = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty();
        // One that is too large is a version nevertheless: an unknown one.
        (is_number && !digits.starts_with('0')).then(|| digits.parse().unwrap_or(u16::MAX))
    };
    match kind.rsplit_once(".v").and_then(|(name, digits)| Some((name, version(digits)?))) {
        Some((name, version)) if !name.is_empty() => (name, version),
        _ => (kind, 1),
    }
}
