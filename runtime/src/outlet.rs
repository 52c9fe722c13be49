//! The way out: encodes, stamps, checks and hands to the backend everything that a service publishes.

use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    backend::{Backend, Outgoing, Publishing},
    codec::Encoded,
    envelope::{Stamp, letterhead},
    error::{Error, ErrorKind, Result},
    event::{EventDescriptor, EventSet},
    message::{Letterhead, Message},
    template,
    topic::{self, Topic},
};

/// What an event's message leaves free of the broker's limit, so that its dead letter fits.
pub(crate) const DEAD_LETTER_ROOM: usize = 16 * 1024;

/// The largest buffer that a thread keeps for its next event.
const SPARE_BYTES: usize = 64 * 1024;

/// A service's publishing side, shared by its bus, its handlers and its publishers.
pub(crate) struct Outlet {
    pub(crate) backend: Arc<dyn Backend>,
    source: &'static str,
    letterheads: Vec<(&'static str, Letterhead)>,
    max_event: usize,
    published: Vec<(Topic, AtomicU64)>,
    closed: AtomicBool,
}

impl Outlet {
    /// For the service `source`; `topics` are all that it may publish on, `events` all that it may publish.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        source: &'static str,
        topics: &[Topic],
        events: impl Iterator<Item = &'static EventDescriptor>,
    ) -> Self {
        let mut letterheads: Vec<(&'static str, Letterhead)> = Vec::new();
        for event in events {
            if !letterheads.iter().any(|(kind, _)| *kind == event.kind) {
                letterheads.push((event.kind, letterhead(event, source)));
            }
        }
        let max_event = backend.capabilities().max_message.saturating_sub(DEAD_LETTER_ROOM);
        let published = topics.iter().map(|topic| (topic.clone(), AtomicU64::new(0))).collect();
        let closed = AtomicBool::new(false);
        Self { backend, source, letterheads, max_event, published, closed }
    }

    /// Encodes and stamps an event; the message is ready to be sent, as often as need be.
    pub(crate) fn write<S: EventSet>(&self, event: &S, stamp: &Stamp<'_>) -> Result<(Topic, Message)> {
        let mut encoded = spare();
        let written = encode(event, &mut encoded).and_then(|event| self.seal(event, stamp, &mut encoded));
        give_back(encoded);
        written
    }

    /// Stamps what is already encoded.
    #[inline]
    pub(crate) fn seal(
        &self,
        event: &'static EventDescriptor,
        stamp: &Stamp<'_>,
        encoded: &mut Encoded,
    ) -> Result<(Topic, Message)> {
        // The same literal is nearly always the same pointer.
        let same = |kind: &str| std::ptr::eq(kind, event.kind) || kind == event.kind;
        let known = self.letterheads.iter().find(|(kind, _)| same(kind));
        let message = match known {
            Some((_, letterhead)) => stamp.seal(event, letterhead, encoded)?,
            None => stamp.seal(event, &letterhead(event, self.source), encoded)?,
        };
        self.fits(event.ty, &message)?;
        let topic = match event.topic.is_template() {
            true => template::read(event, &encoded.topic, encoded.wrong_field)?,
            false => Topic::from_static(event.topic()),
        };
        Ok((topic, message))
    }

    /// Refuses a message that is so large that its dead letter would not fit; `what` names it.
    #[inline]
    pub(crate) fn fits(&self, what: &str, message: &Message) -> Result<()> {
        if message.size() > self.max_event { Err(self.too_large(what, message.size())) } else { Ok(()) }
    }

    #[cold]
    fn too_large(&self, what: &str, size: usize) -> Error {
        let system = self.backend.system();
        let text = format!(
            "{what} has {size} bytes with key and headers; {system} takes at most {} (its limit less 16 KiB for a \
             dead letter)",
            self.max_event
        );
        Error::new(ErrorKind::TooLarge, "publish", text).at(system)
    }

    /// The service, as the envelopes name it.
    pub(crate) const fn source(&self) -> &'static str {
        self.source
    }

    /// Hands a message to the backend.
    #[inline]
    pub(crate) fn send(&self, outgoing: Outgoing) -> Publishing {
        if self.closed.load(Ordering::Acquire) {
            let text = "the bus was stopped; what is published now would not be confirmed";
            return Publishing::ready(Err(Error::new(ErrorKind::Closed, "publish", text)));
        }
        self.backend.publish(outgoing)
    }

    /// Counts a confirmed message.
    pub(crate) fn count(&self, topic: &str) {
        let same = |known: &Topic| std::ptr::eq(known.as_str(), topic) || known.as_str() == topic;
        let found = self.published.iter().find(|(known, _)| same(known));
        // What has a field in its topic is counted under its pattern.
        let found = found.or_else(|| self.published.iter().find(|(known, _)| topic::matches(known, topic)));
        if let Some((_, count)) = found {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was confirmed so far, by topic.
    pub(crate) fn published(&self) -> impl Iterator<Item = (&Topic, u64)> {
        self.published.iter().map(|(topic, count)| (topic, count.load(Ordering::Relaxed)))
    }

    /// From now on, everything is refused with `Closed`.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("source", &self.source)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// Writes payload, key and id.
pub(crate) fn encode<S: EventSet>(event: &S, into: &mut Encoded) -> Result<&'static EventDescriptor> {
    event
        .encode(into)
        .map_err(|error| Error::new(ErrorKind::Encode, "publish", error.to_string()).because(error))
}

thread_local!(static SPARE: Cell<Option<Box<Encoded>>> = const { Cell::new(None) });

/// A buffer to encode into, used again where the thread has one.
pub(crate) fn spare() -> Box<Encoded> {
    SPARE.take().unwrap_or_default()
}

/// Keeps a buffer for the thread's next event, unless it grew large.
pub(crate) fn give_back(encoded: Box<Encoded>) {
    let Encoded { builder, id, topic, .. } = &*encoded;
    if builder.capacity().max(id.capacity()).max(topic.capacity()) <= SPARE_BYTES {
        SPARE.set(Some(encoded));
    }
}
