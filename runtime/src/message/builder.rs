//! Writing a message: payload first, then key, then headers.

use std::fmt;

use triomphe::ThinArc;

use super::{Attribute, Defect, Head, Header, Headers, Message, PLAIN, Traits};

/// What key and headers take in most messages, in bytes: with so much room at once the buffer does not grow.
const ENVELOPE: usize = 512;

/// Writes a [`Message`] into a buffer that is used again: payload first, then key, then headers.
#[derive(Default)]
pub struct MessageBuilder {
    pub(super) data: Vec<u8>,
    pub(super) payload_end: usize,
    pub(super) key_end: usize,
    pub(super) headers: u32,
    pub(super) traits: Traits,
    /// The attributes that may have been written, a bit for each.
    pub(super) written: u16,
}

impl fmt::Debug for MessageBuilder {
    /// Shows sizes: what was written may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageBuilder")
            .field("payload_bytes", &self.payload_end)
            .field("key_bytes", &(self.key_end - self.payload_end))
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl MessageBuilder {
    /// A builder with an empty payload and no key.
    #[must_use]
    pub const fn new() -> Self {
        Self { data: Vec::new(), payload_end: 0, key_end: 0, headers: 0, traits: Traits(0), written: 0 }
    }

    /// A builder with this payload, for one message.
    #[must_use]
    pub fn with_payload(payload: &[u8]) -> Self {
        let end = payload.len();
        let mut data = Vec::with_capacity(end + ENVELOPE);
        data.extend_from_slice(payload);
        Self { data, payload_end: end, key_end: end, ..Self::new() }
    }

    /// Forgets what was written and keeps the buffer.
    pub fn clear(&mut self) {
        self.data.clear();
        (self.payload_end, self.key_end, self.headers, self.written) = (0, 0, 0, 0);
        self.traits = Traits::default();
    }

    /// How many bytes were written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// How many bytes the buffer holds on to.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.data.capacity()
    }

    /// Writes the payload; `write` appends to the vector it is given. To be called first, and once.
    ///
    /// # Errors
    /// Whatever `write` returns; the payload is then empty.
    pub fn payload<X>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), X>) -> Result<&mut Self, X> {
        self.clear();
        if let Err(error) = write(&mut self.data) {
            self.clear();
            return Err(error);
        }
        (self.payload_end, self.key_end) = (self.data.len(), self.data.len());
        Ok(self)
    }

    /// Writes or replaces the key.
    pub fn key(&mut self, key: &[u8]) -> &mut Self {
        if self.key_end == self.data.len() {
            self.data.truncate(self.payload_end);
            self.data.extend_from_slice(key);
        } else {
            self.data.splice(self.payload_end..self.key_end, key.iter().copied());
        }
        self.key_end = self.payload_end + key.len();
        self.traits.set(Traits::HAS_KEY);
        self
    }

    /// The key that was written.
    #[must_use]
    pub fn written_key(&self) -> Option<&[u8]> {
        self.traits.has(Traits::HAS_KEY).then(|| &self.data[self.payload_end..self.key_end])
    }

    /// How many bytes of payload were written.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.payload_end
    }

    /// Adds an attribute, once each, as UTF-8. What a foreign producer wrote goes through
    /// [`wire_header`](Self::wire_header), which notes what is wrong with it.
    pub fn attribute(&mut self, attribute: Attribute, value: &[u8]) -> &mut Self {
        if attribute == Attribute::ContentType {
            self.traits.note_content_type(value);
        }
        self.written |= bit(attribute);
        self.data.push(attribute as u8);
        self.data.extend_from_slice(&length(value).to_le_bytes());
        self.data.extend_from_slice(value);
        self.headers = self.headers.saturating_add(1);
        self
    }

    /// Adds an attribute whose length the compiler knows, which it turns into a few moves.
    pub(crate) fn fixed_attribute<const N: usize>(
        &mut self,
        attribute: Attribute,
        value: &[u8; N],
    ) -> &mut Self {
        let [a, b, c, d] = length(value).to_le_bytes();
        self.data.extend_from_slice(&[attribute as u8, a, b, c, d]);
        self.data.extend_from_slice(value);
        self.headers += 1;
        self.written |= bit(attribute);
        self
    }

    /// Lets `write` append the key; `false` means that there is none.
    pub(crate) fn write_key(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        if write(&mut self.data) {
            self.key_end = self.data.len();
            self.traits.set(Traits::HAS_KEY);
        } else {
            self.data.truncate(self.payload_end);
        }
    }

    /// Adds attributes that were written before.
    pub(crate) fn letterhead(&mut self, letterhead: &Letterhead) -> &mut Self {
        self.data.extend_from_slice(&letterhead.0.data);
        self.headers += letterhead.0.headers;
        self.written |= letterhead.0.written;
        self.traits.0 |= letterhead.0.traits.0;
        self
    }

    /// Adds a header of the user's, or an extension that has no [`Attribute`].
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        self.data.push(PLAIN);
        self.data.extend_from_slice(&length(value).to_le_bytes());
        self.data.extend_from_slice(&length(name).to_le_bytes());
        self.data.extend_from_slice(name);
        self.data.extend_from_slice(value);
        self.headers = self.headers.saturating_add(1);
        self
    }

    /// Adds a header as a broker delivers it: `ce_*`, `ce-*`, `cloudEvents:*` and `cloudEvents_*` that typebus
    /// knows, `content-type`, `traceparent` and `tracestate` become attributes; names are compared without case.
    ///
    /// A repeated attribute or one that is not text is noted as the message's [`defect`](Message::defect), so that
    /// the dispatch can dead-letter it; it never stops a subscription. Values of other headers may be any bytes.
    pub fn wire_header(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        self.foreign(match wire_attribute(name) {
            Some(attribute) => Header::Attribute(attribute, value),
            None => Header::Plain(name, value),
        })
    }

    /// Adds what stands in a message that others wrote, and notes what is wrong with it.
    pub(crate) fn foreign(&mut self, header: Header<'_>) -> &mut Self {
        let (attribute, value) = match header {
            Header::Attribute(attribute, value) => (attribute, value),
            Header::Plain(name, value) => {
                if std::str::from_utf8(name).is_err() {
                    self.traits.note(Defect::Name);
                }
                return self.header(name, value);
            }
        };
        let is_repeated = self.written & bit(attribute) != 0;
        let mut written = Headers { rest: if is_repeated { &self.data[self.key_end..] } else { &[] } };
        let earlier = written.find_map(|header| match header {
            Header::Attribute(found, value) if found == attribute => Some(value),
            Header::Attribute(..) | Header::Plain(..) => None,
        });
        if std::str::from_utf8(value).is_err() {
            self.traits.note(Defect::NotText(attribute));
        } else if earlier.is_some_and(|earlier| earlier != value) {
            self.traits.note(Defect::Repeated(attribute));
        }
        self.attribute(attribute, value)
    }

    /// The finished message; the builder's buffer can be used again after [`clear`](Self::clear).
    #[must_use]
    #[inline]
    pub fn build(&self) -> Message {
        let head = Head {
            payload_end: offset(self.payload_end),
            key_end: offset(self.key_end),
            headers: self.headers,
            traits: self.traits,
        };
        Message(ThinArc::from_header_and_slice(head, &self.data))
    }
}

/// The written form of a type, with which the headers of typebus's own messages begin.
#[derive(Debug)]
pub(crate) struct Opening(pub(super) Box<[u8]>);

impl Opening {
    /// What no message begins with.
    pub(crate) fn of_none() -> Self {
        Self([u8::MAX].into())
    }

    pub(crate) fn new(kind: &str) -> Self {
        Self(Letterhead::new(&[(Attribute::Type, kind)]).0.data.into())
    }
}

/// Attributes that are the same for every message of an event, written once.
#[derive(Debug)]
pub(crate) struct Letterhead(MessageBuilder);

impl Letterhead {
    pub(crate) fn new(attributes: &[(Attribute, &str)]) -> Self {
        let mut builder = MessageBuilder::new();
        for (attribute, value) in attributes {
            builder.attribute(*attribute, value.as_bytes());
        }
        Self(builder)
    }
}

/// The attribute that a header of others is, whatever its prefix.
pub(crate) fn wire_attribute(name: &[u8]) -> Option<Attribute> {
    const PREFIXES: [&[u8]; 4] = [b"ce_", b"ce-", b"cloudevents:", b"cloudevents_"];
    let is = |name: &[u8], attribute: &Attribute| name.eq_ignore_ascii_case(attribute.name().as_bytes());
    match name.first()?.to_ascii_lowercase() {
        b't' => [Attribute::TraceParent, Attribute::TraceState].into_iter().find(|it| is(name, it)),
        b'c' if name.eq_ignore_ascii_case(b"content-type") => Some(Attribute::ContentType),
        b'c' => {
            let known = PREFIXES.iter().find_map(|prefix| {
                let (begin, rest) = name.split_at_checked(prefix.len())?;
                begin.eq_ignore_ascii_case(prefix).then_some(rest)
            });
            known.and_then(|rest| Attribute::ALL.into_iter().find(|it| is(rest, it)))
        }
        _ => None,
    }
}

/// The place of an attribute among those that were written.
const fn bit(attribute: Attribute) -> u16 {
    1 << (attribute as u16)
}

/// Lengths are kept in 32 bits: no broker carries a message of 4 GiB, and backends refuse far smaller ones.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

pub(super) fn length(value: &[u8]) -> u32 {
    offset(value.len())
}
