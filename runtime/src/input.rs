//! What arrives at a handler: its first argument, and what the extractors read.

use std::{
    cell::{OnceCell, RefCell},
    fmt,
    sync::{Arc, atomic::AtomicU32},
};

use crate::{
    backend::Delivery,
    codec::DecodeError,
    envelope::split_kind,
    event::{Event, EventDescriptor, EventSet, Events, NoReply},
    message::{Attribute, Message},
    metadata::Metadata,
    outputs::Rejection,
    scope::Scope,
};

/// A delivery on its way into a handler, as extractors see it. It is borrowed: an extractor copies what it keeps.
pub struct Incoming<'a> {
    pub(crate) delivery: &'a Delivery,
    /// The event it is, where the program knows it: by the message's type, or because the topic has only one.
    pub(crate) event: Option<&'static EventDescriptor>,
    pub(crate) attempt: u32,
    pub(crate) scope: &'a Arc<Scope>,
    /// Counts what the attempt publishes mid-way, over all its publishers; made when the first one is extracted.
    pub(crate) published: OnceCell<Arc<AtomicU32>>,
}

impl Incoming<'_> {
    /// The message as it came from the broker; a structured CloudEvent in binary mode.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.delivery.message
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.delivery.message.payload()
    }

    /// The topic that it was published on.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.delivery.topic
    }

    /// The event's name, if the message or its topic tells.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.event.map(EventDescriptor::name).or_else(|| self.kind().map(|(name, _)| name))
    }

    /// The version of the payload's shape; 1 where nothing says otherwise.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.event
            .map(EventDescriptor::version)
            .or_else(|| self.kind().map(|(_, version)| version))
            .unwrap_or(1)
    }

    fn kind(&self) -> Option<(&str, u16)> {
        let kind = std::str::from_utf8(self.message().attribute(Attribute::Type)?).ok()?;
        Some(split_kind(kind))
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Id, key, headers and the rest, to keep.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata::new(self.delivery, self.event)
    }

    pub(crate) fn content_type(&self) -> Option<&[u8]> {
        self.delivery.message.attribute(Attribute::ContentType)
    }

    /// Whether what arrived is an `E`, or an older version that `E` is made from.
    #[doc(hidden)]
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        self.is_or_was(&E::DESCRIPTOR)
    }

    pub(crate) fn is_event(&self, other: &EventDescriptor) -> bool {
        match self.event {
            Some(event) => event.is_same(other),
            None => self.kind() == Some((other.name, other.version)),
        }
    }

    pub(crate) fn is_or_was(&self, event: &EventDescriptor) -> bool {
        self.is_event(event) || event.upcasts.iter().any(|older| self.is_or_was(older))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("delivery", &self.delivery).field("attempt", &self.attempt).finish()
    }
}

/// What one attempt is given: one delivery, or a batch.
#[doc(hidden)]
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Never empty.
    pub(crate) items: &'a [Incoming<'a>],
    /// Members of a batch that do not decode, with their place in `items`.
    pub(crate) rejected: Option<&'a RefCell<Vec<(usize, Rejection)>>>,
}

impl<'a> Arrival<'a> {
    /// The first that can be read: what cannot is in no batch.
    #[must_use]
    pub fn first(&self) -> &Incoming<'a> {
        // They were rejected in their order, so that those in front are the ones at their own place.
        let in_front = self.rejected.map_or(0, |rejected| {
            rejected.borrow().iter().zip(0..).take_while(|((place, _), nth)| place == nth).count()
        });
        self.items.get(in_front).unwrap_or(&self.items[0])
    }
}

/// What a handler can take as its first argument: an event, an [`EventSet`], [`Envelope`], [`Batch`] or [`AnyEvent`].
///
/// `K` says what it asks for in return: [`NoReply`], or [`Exactly`](crate::Exactly) a request's reply.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}` as its first argument",
    label = "not something that arrives",
    note = "the first argument is an event, an `EventSet`, `Envelope<_>`, `Batch<_>` or `AnyEvent`; extractors come after it"
)]
pub trait Input<K>: Arrives {}

/// How an [`Input`] is made of what arrived. It is apart from that, so that rustc has one impl to blame for each type.
#[doc(hidden)]
pub trait Arrives: Sized + Send + 'static {
    /// The events that it accepts; none for [`AnyEvent`].
    const ACCEPTS: Events;
    /// Accepts every event.
    const ANY: bool = false;
    /// Takes several deliveries at once.
    const BATCH: bool = false;
    /// A batch stands inside another type.
    const NESTED: bool = false;

    fn from_incoming(incoming: &Incoming<'_>) -> Result<Self, DecodeError>;

    fn from_arrival(arrival: &Arrival<'_>) -> Result<Self, Rejection> {
        Self::from_incoming(arrival.first()).map_err(|error| Rejection::undecodable(&error))
    }
}

/// What can be in a [`Batch`]: an event, a set, [`AnyEvent`] or [`Envelope`].
#[diagnostic::on_unimplemented(
    message = "a batch cannot hold `{Self}`",
    label = "not something that arrives",
    note = "a `Batch<_>` holds an event, an `EventSet`, `Envelope<_>` or `AnyEvent`"
)]
pub trait Member: Arrives {}

#[diagnostic::do_not_recommend]
impl<E: EventSet> Arrives for E {
    const ACCEPTS: Events = E::EVENTS;

    fn from_incoming(incoming: &Incoming<'_>) -> Result<Self, DecodeError> {
        E::decode(incoming)
    }
}

#[diagnostic::do_not_recommend]
impl<E: EventSet> Member for E {}

/// An event with the metadata of its delivery.
///
/// ```
/// use typebus::prelude::*;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// # #[event(topic = "shop.orders")]
/// # struct OrderPlaced { order_id: String }
/// #[handler]
/// async fn audit(order: Envelope<OrderPlaced>) {
///     tracing::info!(id = order.metadata.id(), order = order.event.order_id, "placed");
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Envelope<T> {
    /// The event, or set.
    pub event: T,
    /// Where it came from.
    pub metadata: Metadata,
}

impl<T: Arrives> Arrives for Envelope<T> {
    const ACCEPTS: Events = T::ACCEPTS;
    const ANY: bool = T::ANY;
    const NESTED: bool = T::BATCH || T::NESTED;

    fn from_incoming(incoming: &Incoming<'_>) -> Result<Self, DecodeError> {
        Ok(Self { event: T::from_incoming(incoming)?, metadata: incoming.metadata() })
    }
}

impl<T: Input<K>, K> Input<K> for Envelope<T> {}

impl<T: Member> Member for Envelope<T> {}

/// Several deliveries of one subscription, in order per key, never empty.
///
/// A batch that fails is run again item by item. Members that do not decode are dead-lettered one by one and are
/// not in it.
///
/// ```
/// use typebus::prelude::*;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// # #[event(topic = "shop.orders")]
/// # struct OrderPlaced { order_id: String }
/// #[handler(group = "index", batch(max = 500, wait = "50ms"))]
/// async fn index(orders: Batch<OrderPlaced>) {
///     let ids: Vec<_> = orders.iter().map(|order| &order.order_id).collect();
///     tracing::info!(count = ids.len(), "indexed");
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Batch<T>(Vec<T>);

impl<T> Batch<T> {
    /// The members, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// How many there are, at least one.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Always `false`.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> IntoIterator for Batch<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Batch<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// For a plain unit test of a batch handler.
impl<T> From<Vec<T>> for Batch<T> {
    fn from(members: Vec<T>) -> Self {
        Self(members)
    }
}

impl<T: Arrives> Arrives for Batch<T> {
    const ACCEPTS: Events = T::ACCEPTS;
    const ANY: bool = T::ANY;
    const BATCH: bool = true;
    const NESTED: bool = T::BATCH || T::NESTED;

    fn from_incoming(incoming: &Incoming<'_>) -> Result<Self, DecodeError> {
        T::from_incoming(incoming).map(|member| Self(vec![member]))
    }

    fn from_arrival(arrival: &Arrival<'_>) -> Result<Self, Rejection> {
        let mut members = Vec::with_capacity(arrival.items.len());
        for (place, incoming) in arrival.items.iter().enumerate() {
            match T::from_incoming(incoming) {
                Ok(member) => members.push(member),
                Err(error) => {
                    if let Some(rejected) = arrival.rejected {
                        rejected.borrow_mut().push((place, Rejection::undecodable(&error)));
                    }
                }
            }
        }
        if members.is_empty() { Err(Rejection::nothing_left()) } else { Ok(Self(members)) }
    }
}

impl<T: Member> Input<NoReply> for Batch<T> {}

/// Any event of a topic or pattern, not decoded yet.
///
/// ```
/// use typebus::prelude::*;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// # #[event(topic = "shop.orders")]
/// # struct OrderPlaced { order_id: String }
/// #[handler(topic = "shop.>", group = "audit")]
/// async fn audit(event: AnyEvent) -> Result<(), Failure> {
///     if event.is::<OrderPlaced>() {
///         let order: OrderPlaced = event.decode()?;
///         tracing::info!(order.order_id, "placed");
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct AnyEvent {
    metadata: Metadata,
    scope: Arc<Scope>,
}

impl AnyEvent {
    /// The event's name; empty where neither the message nor its topic tells.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name()
    }

    /// The version of the payload's shape.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.metadata.version()
    }

    /// Id, key, headers and the rest.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.metadata.delivery().message.payload()
    }

    /// Whether it is an `E`.
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        self.incoming().is::<E>()
    }

    /// Reads it as `E`.
    ///
    /// # Errors
    /// It is another event, or its payload is not an `E`. As a handler's error it means the dead letter.
    pub fn decode<E: EventSet>(&self) -> Result<E, DecodeError> {
        let incoming = self.incoming();
        // A set looks for itself; an event alone would read whatever has its shape.
        match E::EVENTS {
            Events::One(event) if incoming.name().is_some() && !incoming.is_or_was(event) => {
                Err(DecodeError::foreign(event.ty, &incoming))
            }
            Events::None | Events::One(_) | Events::Many(_) => E::decode(&incoming),
        }
    }

    fn incoming(&self) -> Incoming<'_> {
        Incoming {
            delivery: self.metadata.delivery(),
            event: self.metadata.event(),
            attempt: 1,
            scope: &self.scope,
            published: OnceCell::new(),
        }
    }
}

impl Arrives for AnyEvent {
    const ACCEPTS: Events = Events::None;
    const ANY: bool = true;

    fn from_incoming(incoming: &Incoming<'_>) -> Result<Self, DecodeError> {
        Ok(Self { metadata: incoming.metadata(), scope: Arc::clone(incoming.scope) })
    }
}

impl Input<NoReply> for AnyEvent {}

impl Member for AnyEvent {}
