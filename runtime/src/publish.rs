//! Publishing as a value: encoded at once, sent when awaited.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    backend::{Delivery, Outgoing, Position, Publishing, Sender},
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
    event: Result<(Encoded, &'static EventDescriptor)>,
    key: Option<String>,
    id: Option<String>,
    headers: Vec<(String, String)>,
    sender: Sender,
    /// The delivery being handled, and the id that a repeat of it gives again.
    cause: Option<(Delivery, uuid::Uuid)>,
}

impl Publish {
    pub(crate) fn new<S: EventSet>(outlet: &Arc<Outlet>, event: &S, sender: Sender) -> Self {
        let mut encoded = spare();
        let event = encode(event, &mut encoded).map(|event| (encoded, event));
        Self {
            outlet: Arc::clone(outlet),
            event,
            key: None,
            id: None,
            headers: Vec::new(),
            sender,
            cause: None,
        }
    }

    pub(crate) fn caused_by(mut self, cause: Delivery, id: uuid::Uuid) -> Self {
        self.cause = Some((cause, id));
        self
    }

    /// Replaces the key: 1 to 1,024 bytes.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header. The name is 1 to 64 characters of `[a-z0-9-]` and begins with neither `ce-` nor `typebus-`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the id, which together with the service and the event's kind says which fact this is.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    fn send(self) -> Result<(Publishing, Topic, Message)> {
        let (mut encoded, event) = self.event?;
        let identity = match (&self.id, &self.cause) {
            (Some(id), _) => Identity::Given(id),
            (None, Some((_, id))) => Identity::Derived(*id),
            (None, None) => Identity::Fresh,
        };
        let cause = self.cause.as_ref().map(|(delivery, _)| Cause { delivery });
        let stamp = Stamp { identity, key: self.key.as_deref(), headers: &self.headers, cause };
        let sealed = self.outlet.seal(event, &stamp, &mut encoded);
        give_back(encoded);
        let (topic, message) = sealed?;
        let outgoing = Outgoing { topic: topic.clone(), message: message.clone(), sender: self.sender };
        Ok((self.outlet.send(outgoing), topic, message))
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event.as_ref().map(|(_, event)| event.kind);
        f.debug_struct("Publish")
            .field("event", &event)
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}

impl IntoFuture for Publish {
    type Output = Result<Receipt>;
    type IntoFuture = Confirm;

    fn into_future(self) -> Confirm {
        Confirm { outlet: Arc::clone(&self.outlet), state: State::Unsent(Some(self)) }
    }
}

/// The future of a [`Publish`].
#[must_use = "a publication is not sent until it is awaited"]
#[derive(Debug)]
pub struct Confirm {
    outlet: Arc<Outlet>,
    state: State,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "boxing would cost every publication an allocation")]
enum State {
    Unsent(Option<Publish>),
    Sent(Publishing, Topic, Message),
}

impl Future for Confirm {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A backend that always answers at once must not let a publisher starve the handlers on its thread.
        if pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let Self { outlet, state } = &mut *self;
        if let State::Unsent(publish) = state {
            let Some(publish) = publish.take() else { return Poll::Pending };
            match publish.send() {
                Ok((publishing, topic, message)) => *state = State::Sent(publishing, topic, message),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let State::Sent(publishing, topic, message) = state else { return Poll::Pending };
        Pin::new(publishing).poll(cx).map(|answer| {
            let confirmation = answer.map_err(|error| named(error, topic))?;
            outlet.count(topic);
            let (partition, position) = (confirmation.partition, confirmation.position);
            Ok(Receipt { topic: topic.clone(), message: message.clone(), partition, position })
        })
    }
}

/// Leaves the backend's error as it is; the log line names the topic once more for whoever only sees that.
fn named(error: Error, topic: &Topic) -> Error {
    tracing::debug!(messaging.destination.name = %topic, %error, "publish failed");
    error
}

/// A confirmed event: which one it is, and where it was stored.
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
