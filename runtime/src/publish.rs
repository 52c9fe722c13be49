//! Publishing as a value: encoded at once, sent when awaited.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    backend::{Capabilities, Confirmation, Delivery, Outgoing, Position, Publishing, SendOptions, Sender},
    codec::Encoded,
    envelope::{Cause, Identity, Stamp},
    error::{Error, ErrorKind, Result},
    event::{EventDescriptor, EventSet},
    message::{Attribute, Message},
    outlet::{Outlet, encode, give_back, spare},
    prepared::Prepared,
    topic::Topic,
};

/// A publication. The event is encoded already; it is sent when this is awaited, and the await gives a [`Receipt`].
///
/// # Errors
/// Mistakes in [`key`](Self::key), [`header`](Self::header) or [`id`](Self::id) appear at the await, like the
/// broker's: `InvalidKey`, `InvalidHeader`, `Encode`, `TooLarge`, `Unroutable`, `Full`, `Timeout`, `Closed` …
/// What the backend cannot do of [`delay`](Self::delay), [`expires_in`](Self::expires_in) and
/// [`partition`](Self::partition) is `Unsupported`; what makes no sense, such as a delay of 0, is `Config`.
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
    /// Stamped long ago, and not sent now yet.
    Prepared(Box<Prepared>),
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
    options: SendOptions,
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

    /// Sends what was prepared, if it is this service's and fits here.
    pub(crate) fn prepared(outlet: &Arc<Outlet>, prepared: &Prepared) -> Self {
        let state = match prepared.check(outlet) {
            Ok(()) => State::Prepared(Box::new(prepared.clone())),
            Err(error) => State::Over(Some(error)),
        };
        Self { outlet: Arc::clone(outlet), sender: Sender::Program, extras: None, state }
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

    /// Has it delivered so long after it was published, at the earliest.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.extras().options.delay = Some(delay);
        self
    }

    /// Has it delivered within so long after it was published, or not at all.
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.extras().options.expires_in = Some(time);
        self
    }

    /// Puts it into this partition of the topic, instead of that of its key.
    ///
    /// Events of one key are in order within a partition only.
    pub fn partition(mut self, partition: u32) -> Self {
        self.extras().options.partition = Some(partition);
        self
    }

    /// Stamps it now, and leaves the sending to [`Bus::publish_prepared`](crate::Bus::publish_prepared).
    ///
    /// # Errors
    /// What is wrong with the event, its key, its headers or its id; `TooLarge`; `Config`: a
    /// [`delay`](Self::delay) and its like are asked for when it is sent.
    pub fn prepare(mut self) -> Result<Prepared> {
        if self.extras.as_ref().is_some_and(|extras| extras.options != SendOptions::default()) {
            let text = "`.delay`, `.expires_in` and `.partition` belong to the sending; say them after `publish_prepared`";
            return Err(Error::new(ErrorKind::Config, "prepare", text));
        }
        match self.stamp() {
            Some(stamped) => stamped.map(|(topic, message)| Prepared::new(topic, message)),
            None => match self.state {
                State::Over(Some(error)) => Err(error),
                State::Draft(..) | State::Prepared(_) | State::Sent(_) | State::Over(None) => {
                    Err(Error::new(ErrorKind::Config, "prepare", "it was sent already"))
                }
            },
        }
    }

    /// Takes what is to be sent; `None` if that was done, or cannot be done.
    #[inline]
    fn stamp(&mut self) -> Option<Result<(Topic, Message)>> {
        match &mut self.state {
            State::Draft(encoded, event) => {
                let stamp = self.extras.as_deref().map_or(Stamp::PLAIN, Extras::stamp);
                let sealed = self.outlet.seal(event, &stamp, encoded);
                if let State::Draft(encoded, _) = std::mem::replace(&mut self.state, State::Over(None)) {
                    give_back(encoded);
                }
                Some(sealed)
            }
            State::Prepared(_) => {
                let fixed = self.extras.as_ref().is_some_and(|extras| extras.is_of_envelope());
                match std::mem::replace(&mut self.state, State::Over(None)) {
                    State::Prepared(_) if fixed => {
                        let text = "a prepared event has its key, headers and id already; say them when it is prepared";
                        Some(Err(Error::new(ErrorKind::Config, "publish", text)))
                    }
                    State::Prepared(prepared) => Some(Ok(prepared.into_parts())),
                    State::Draft(..) | State::Sent(_) | State::Over(_) => None,
                }
            }
            State::Sent(_) | State::Over(_) => None,
        }
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

    /// Whether something goes into the envelope.
    fn is_of_envelope(&self) -> bool {
        self.key.is_some() || self.id.is_some() || !self.headers.is_empty()
    }

    /// What is asked of the backend, if it makes sense and the backend can do it.
    #[cold]
    fn options(&self, outlet: &Outlet) -> Result<Option<Box<SendOptions>>> {
        let SendOptions { delay, expires_in, partition } = self.options;
        let (system, can) = (outlet.backend.system(), outlet.backend.capabilities());
        let config = |text: String| Err(Error::new(ErrorKind::Config, "publish", text));
        match (delay, expires_in) {
            (Some(Duration::ZERO), _) => {
                return config("a delay of 0 is none; leave `.delay` out".to_owned());
            }
            (_, Some(Duration::ZERO)) => {
                return config(
                    "what expires at once is never delivered; give `.expires_in` more than 0".to_owned(),
                );
            }
            (Some(delay), Some(expires_in)) if expires_in <= delay => {
                return config(format!(
                    "it expires after {expires_in:?} and is delayed by {delay:?}, so it would never be delivered; \
                     let it expire later"
                ));
            }
            (Some(_) | None, Some(_) | None) => {}
        }
        let Capabilities { delay: can_delay, expiry, explicit_partition, .. } = can;
        let lacking = [
            (
                delay.is_some() && !can_delay,
                "cannot hold an event back (`.delay`); publish it when its time has come",
            ),
            (
                expires_in.is_some() && !expiry,
                "cannot let an event expire (`.expires_in`); put the time into the event, and let its handler look",
            ),
            (
                partition.is_some() && !explicit_partition,
                "chooses the partition itself (`.partition`); give the event a key",
            ),
        ];
        if let Some((_, what)) = lacking.into_iter().find(|(lacks, _)| *lacks) {
            let text = format!("{system} {what}");
            return Err(Error::new(ErrorKind::Unsupported, "publish", text).at(system));
        }
        Ok((self.options != SendOptions::default()).then(|| Box::new(self.options)))
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Draft(_, event) => event.kind,
            State::Prepared(_) => "prepared",
            State::Sent(..) => "sent",
            State::Over(_) => "over",
        };
        f.debug_tuple("Publish").field(&state).finish()
    }
}

impl Future for Publish {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(stamped) = self.stamp() {
            let Self { outlet, sender, extras, state } = &mut *self;
            let (topic, message) = stamped?;
            let options = match extras {
                Some(extras) => extras.options(outlet)?,
                None => None,
            };
            // The receipt shares the message: one increment costs less than finding and copying the id.
            let outgoing =
                Outgoing { topic: topic.clone(), message: message.clone(), sender: *sender, options };
            let mut publishing = outlet.send(outgoing);
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
        let Self { outlet, state, .. } = &mut *self;
        match state {
            State::Sent(sent) => {
                let answer = std::task::ready!(Pin::new(&mut sent.0).poll(cx));
                let receipt = receipt(outlet, sent.1.clone(), sent.2.clone(), answer);
                *state = State::Over(None);
                Poll::Ready(receipt)
            }
            State::Over(error) => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
            State::Draft(..) | State::Prepared(_) => Poll::Pending,
        }
    }
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
