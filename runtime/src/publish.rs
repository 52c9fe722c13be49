//! Publishing as a value: encoded at once, sent when awaited.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use uuid::Uuid;

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
    Sent(Box<(Publishing, Topic, Message)>),
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
        let Self { outlet, sender, extras, state } = &mut *self;
        if let State::Draft(encoded, event) = state {
            let stamp = extras.as_deref().map_or(Stamp::PLAIN, Extras::stamp);
            let sealed = outlet.seal(event, &stamp, encoded);
            if let State::Draft(encoded, _) = std::mem::replace(state, State::Over(None)) {
                give_back(encoded);
            }
            let (topic, message) = sealed?;
            // The receipt shares the message: one increment costs less than finding and copying the id.
            let outgoing =
                Outgoing { topic: topic.clone(), message: message.clone(), sender: *sender, options: None };
            let mut publishing = match outlet.layers.is_empty() {
                true => outlet.send(outgoing),
                false => {
                    let cause = extras.as_ref().and_then(|extras| extras.cause.as_ref());
                    send_within_layers(outlet, outgoing, cause.map(|(delivery, _)| delivery))?
                }
            };
            if let Some(answer) = publishing.now() {
                if !is_others_turn() {
                    return Poll::Ready(receipt(outlet, topic, message, answer));
                }
                // A backend that always answers at once must not let a publisher starve the handlers on its thread.
                // The message has its place in the order already; only the answer waits.
                *state = State::Sent(Box::new((Publishing::ready(answer), topic, message)));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            *state = State::Sent(Box::new((publishing, topic, message)));
        }
        match state {
            State::Sent(sent) => {
                let answer = std::task::ready!(Pin::new(&mut sent.0).poll(cx));
                let receipt = receipt(outlet, sent.1.clone(), sent.2.clone(), answer);
                *state = State::Over(None);
                Poll::Ready(receipt)
            }
            State::Over(error) => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
            State::Draft(..) => Poll::Pending,
        }
    }
}

/// Sends with what the layers add, and has them told the answer.
#[cold]
fn send_within_layers(
    outlet: &Outlet,
    mut outgoing: Outgoing,
    cause: Option<&Delivery>,
) -> Result<Publishing> {
    let trail = outlet.surround(&mut outgoing, cause)?;
    Ok(trail.follow(outlet.send(outgoing)))
}

/// Whether a thread has published so often in a row that the other tasks on it should run.
fn is_others_turn() -> bool {
    /// As many operations as tokio lets a task do.
    const IN_A_ROW: u8 = 128;
    thread_local!(static PUBLISHED: Cell<u8> = const { Cell::new(0) });
    let published = PUBLISHED.get();
    PUBLISHED.set(if published == IN_A_ROW { 0 } else { published + 1 });
    published == IN_A_ROW
}

#[inline]
fn receipt(outlet: &Outlet, topic: Topic, message: Message, answer: Result<Confirmation>) -> Result<Receipt> {
    match answer {
        Ok(Confirmation { partition, position }) => {
            outlet.count(&topic);
            Ok(Receipt { topic, message, partition, position })
        }
        Err(error) => {
            tracing::debug!(messaging.destination.name = %topic, %error, "publish failed");
            Err(error)
        }
    }
}

/// A confirmed event: which one it is, and where it was stored. It shares the message, whose memory lives as long.
#[derive(Debug, Clone)]
pub struct Receipt {
    topic: Topic,
    message: Message,
    partition: Option<u32>,
    position: Option<Position>,
}

impl Receipt {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        let id = self.message.attribute(Attribute::Id).unwrap_or_default();
        std::str::from_utf8(id).unwrap_or_default()
    }

    #[cfg(feature = "test")]
    pub(crate) fn kind(&self) -> &str {
        let kind = self.message.attribute(Attribute::Type).unwrap_or_default();
        std::str::from_utf8(kind).unwrap_or_default()
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
