//! Publishing as a value: encoded at once, sent when awaited.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    backend::{Confirmation, Delivery, Outgoing, Position, Publishing, Sender},
    codec::Encoded,
    envelope::{Cause, Identity, Stamp},
    error::{Error, Result},
    event::{EventDescriptor, EventSet},
    message::{Attribute, Message},
    outlet::{Outlet, encode, give_back, spare},
    topic::Topic,
};

/// A publication. The event is encoded already; it is sent when this is awaited, and the await gives a [`Receipt`].
///
/// # Errors
/// Mistakes in [`key`](Self::key), [`header`](Self::header) or [`id`](Self::id) appear at the await, like the
/// broker's: `InvalidKey`, `InvalidHeader`, `Encode`, `TooLarge`, `Unroutable`, `Full`, `Timeout`, `Closed` …
///
/// # Cancel safety
/// Dropped before the first poll nothing is sent. Dropped later, the event may or may not be stored.
#[must_use = "a publication is not sent until it is awaited"]
pub struct Publish {
    outlet: Arc<Outlet>,
    sender: Sender,
    extras: Option<Box<Extras>>,
    state: State,
}

enum State {
    /// Encoded, and not sent yet.
    Draft(Box<Encoded>, &'static EventDescriptor),
    /// Boxed, so that a publication whose answer comes at once stays small: it is moved several times.
    Sent(Box<(Publishing, Sealed)>),
    /// It failed before it was sent, or its answer was given.
    Over(Option<Error>),
}

/// What most publications go without, so that the others stay small.
#[derive(Default)]
struct Extras {
    key: Option<String>,
    id: Option<String>,
    headers: Vec<(String, String)>,
    /// The delivery being handled, and the id that a repeat of it gives again.
    cause: Option<(Delivery, Uuid)>,
}

impl Publish {
    pub(crate) fn new<S: EventSet>(outlet: &Arc<Outlet>, event: &S, sender: Sender) -> Self {
        let mut encoded = spare();
        let state = match encode(event, &mut encoded) {
            Ok(event) => State::Draft(encoded, event),
            Err(error) => State::Over(Some(error)),
        };
        Self { outlet: Arc::clone(outlet), sender, extras: None, state }
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    pub(crate) fn caused_by(mut self, cause: Delivery, id: Uuid) -> Self {
        self.extras().cause = Some((cause, id));
        self
    }

    /// Replaces the key: 1 to 1,024 bytes.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.extras().key = Some(key.into());
        self
    }

    /// Adds a header. The name is 1 to 64 characters of `[a-z0-9-]` and begins with neither `ce-` nor `typebus-`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extras().headers.push((name.into(), value.into()));
        self
    }

    /// Sets the id, which together with the service and the event's kind says which fact this is.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.extras().id = Some(id.into());
        self
    }
}

impl Extras {
    fn stamp(&self) -> Stamp<'_> {
        let identity = match (&self.id, &self.cause) {
            (Some(id), _) => Identity::Given(id),
            (None, Some((_, id))) => Identity::Derived(*id),
            (None, None) => Identity::Fresh,
        };
        let cause = self.cause.as_ref().map(|(delivery, _)| Cause { delivery });
        Stamp { identity, key: self.key.as_deref(), headers: &self.headers, cause }
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Draft(_, event) => event.kind,
            State::Sent(..) => "sent",
            State::Over(_) => "over",
        };
        f.debug_tuple("Publish").field(&state).finish()
    }
}

impl Future for Publish {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A backend that always answers at once must not let a publisher starve the handlers on its thread.
        if pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let Self { outlet, sender, extras, state } = &mut *self;
        if let State::Draft(encoded, event) = state {
            let stamp = extras.as_deref().map_or(Stamp::PLAIN, Extras::stamp);
            let sealed = outlet.seal(event, &stamp, encoded);
            if let State::Draft(encoded, _) = std::mem::replace(state, State::Over(None)) {
                give_back(encoded);
            }
            let (topic, message) = sealed?;
            let sealed = Sealed { id: Id::of(&message), topic: topic.clone() };
            let mut publishing = outlet.send(Outgoing { topic, message, sender: *sender });
            if let Some(answer) = publishing.now() {
                return Poll::Ready(sealed.receipt(outlet, answer));
            }
            *state = State::Sent(Box::new((publishing, sealed)));
        }
        match state {
            State::Sent(sent) => {
                let answer = std::task::ready!(Pin::new(&mut sent.0).poll(cx));
                let sent = std::mem::replace(state, State::Over(None));
                match sent {
                    State::Sent(sent) => Poll::Ready(sent.1.receipt(outlet, answer)),
                    State::Draft(..) | State::Over(_) => Poll::Pending,
                }
            }
            State::Over(error) => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
            State::Draft(..) => Poll::Pending,
        }
    }
}

/// What the receipt tells of a message that was handed over. The message itself is not kept: a receipt that is should
/// not hold on to a payload, and sharing it would cost more than copying an id.
struct Sealed {
    topic: Topic,
    id: Id,
}

impl Sealed {
    #[inline]
    fn receipt(self, outlet: &Outlet, answer: Result<Confirmation>) -> Result<Receipt> {
        let Self { topic, id } = self;
        match answer {
            Ok(Confirmation { partition, position }) => {
                outlet.count(&topic);
                Ok(Receipt { topic, id, partition, position })
            }
            Err(error) => {
                tracing::debug!(messaging.destination.name = %topic, %error, "publish failed");
                Err(error)
            }
        }
    }
}

/// The id of an event: nearly always a UUID's text, which needs no allocation.
#[derive(Debug, Clone)]
enum Id {
    Uuid([u8; Hyphenated::LENGTH]),
    Other(Arc<[u8]>),
}

impl Id {
    #[inline]
    fn of(message: &Message) -> Self {
        let id = message.attribute(Attribute::Id).unwrap_or_default();
        id.try_into().map_or_else(|_| Self::Other(id.into()), Self::Uuid)
    }

    fn as_str(&self) -> &str {
        let bytes = match self {
            Self::Uuid(text) => text,
            Self::Other(text) => &text[..],
        };
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// A confirmed event: which one it is, and where it was stored.
#[derive(Debug, Clone)]
pub struct Receipt {
    topic: Topic,
    id: Id,
    partition: Option<u32>,
    position: Option<Position>,
}

impl Receipt {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition, where the broker has partitions.
    #[must_use]
    pub const fn partition(&self) -> Option<u32> {
        self.partition
    }

    /// The place in the topic, where the broker tells.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.position
    }
}
