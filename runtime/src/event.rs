//! Events and sets of events: what the derives implement.

use std::{any::Any, fmt};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    codec::{Codec, DecodeError, EncodeError, Encoded, Format, Json, Older},
    error::BoxError,
    input::Incoming,
    key::KeyText,
    template::TopicText,
    topic::Hashed,
};

/// A type with a topic. Implemented by `#[derive(Event)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "add `#[derive(Event)]` and `#[event(topic = \"..\")]` to `{Self}`"
)]
pub trait Event: Sized + Send + 'static {
    /// Name, version and topic.
    const DESCRIPTOR: EventDescriptor;

    /// How its payload is written and read.
    #[doc(hidden)]
    const FORMAT: Format<Self>;

    /// Writes the field that `key = ..` names.
    #[doc(hidden)]
    fn write_key(&self, _: &mut KeyText<'_>) {}

    /// Writes the field that `id = ..` names.
    #[doc(hidden)]
    fn write_id(&self, _: &mut KeyText<'_>) {}

    /// Writes the topic, where it has a `{field}`.
    #[doc(hidden)]
    fn write_topic(&self, _: &mut TopicText<'_>) {}

    /// The older versions that `upcasts(..)` names.
    #[doc(hidden)]
    const OLDER: &'static [Older<Self>] = &[];
}

/// One event or several, matched exhaustively. Implemented by `#[derive(Event)]` and `#[derive(EventSet)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an event nor a set of events",
    label = "not an event",
    note = "add `#[derive(Event)]` with `#[event(topic = \"..\")]`, or `#[derive(EventSet)]` to an enum of events"
)]
pub trait EventSet: Sized + Send + 'static {
    /// The events of the set.
    const EVENTS: Events;

    /// Reads the event that arrived.
    #[doc(hidden)]
    fn decode(incoming: &Incoming<'_>) -> Result<Self, DecodeError>;

    /// Writes payload, key, id and topic, and says which event it is.
    #[doc(hidden)]
    fn encode(&self, into: &mut Encoded) -> Result<&'static EventDescriptor, EncodeError>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> EventSet for E {
    const EVENTS: Events = Events::One(&E::DESCRIPTOR);

    fn decode(incoming: &Incoming<'_>) -> Result<Self, DecodeError> {
        crate::codec::decode(incoming)
    }

    fn encode(&self, into: &mut Encoded) -> Result<&'static EventDescriptor, EncodeError> {
        into.write(self).map(|()| &E::DESCRIPTOR)
    }
}

/// An event that is answered by an `R`. Implemented by `#[derive(Event)]` with `reply = ..`.
///
/// `R` is a parameter and no associated type, so that an event may be more visible than its reply.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a request",
    label = "nobody replies to it",
    note = "add `reply = ..` to its `#[event(..)]`, or publish it"
)]
pub trait Request<R>: EventSet {}

/// An event that nobody replies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoReply;

/// A reply of type `R`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exactly<R>(std::marker::PhantomData<fn(R)>);

/// What can answer a request: everything that travels as JSON and has a schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a reply",
    label = "cannot be a reply",
    note = "derive serde's `Serialize` and `Deserialize` and schemars' `JsonSchema` for `{Self}`"
)]
pub trait Reply: Send + 'static {
    /// How it is written. Named by the derive, so that rustc points at a type that cannot be one.
    #[doc(hidden)]
    const CAN_BE: Replying;

    #[doc(hidden)]
    fn read(payload: &[u8]) -> Result<Self, BoxError>
    where
        Self: Sized;
}

#[diagnostic::do_not_recommend]
impl<R: Serialize + DeserializeOwned + JsonSchema + Send + 'static> Reply for R {
    const CAN_BE: Replying = Replying {
        write: |reply, into| match reply.downcast_ref::<Self>() {
            Some(reply) => Json::encode(reply, into),
            None => Err("it is not what the request's `reply` names".into()),
        },
        schema: crate::codec::schema::<Self>,
    };

    fn read(payload: &[u8]) -> Result<Self, BoxError> {
        Json::decode(payload)
    }
}

/// Writes a reply, whose type only the event knows: the handler asks for no trait of it, so that a type that cannot be a
/// reply is reported once, where the event names it.
pub(crate) type WriteReply = fn(&dyn Any, &mut Vec<u8>) -> Result<(), BoxError>;

/// What a request knows of the type that answers it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Replying {
    pub(crate) write: WriteReply,
    pub(crate) schema: fn() -> Value,
}

/// What is known of an event at compile time.
#[derive(Clone, Copy)]
pub struct EventDescriptor {
    pub(crate) ty: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) version: u16,
    pub(crate) topic: Hashed,
    /// Equal for two events only if name and version are equal.
    pub(crate) hash: u64,
    /// Of type and topic: what else tells two events from each other.
    pub(crate) identity: u64,
    pub(crate) content_type: &'static str,
    /// Older versions that it is made from.
    pub(crate) upcasts: Events,
    /// The type that answers it.
    pub(crate) reply: Option<&'static str>,
    pub(crate) replying: Option<Replying>,
    /// What its contract says beside.
    pub(crate) docs: &'static str,
    pub(crate) key: Option<&'static str>,
    pub(crate) id: Option<&'static str>,
    pub(crate) schema: fn() -> Option<Value>,
    /// The derive reported an error, so that every check passes over it.
    pub(crate) broken: bool,
}

impl EventDescriptor {
    /// `kind` is `name.vN`, and `hash` is of that; `identity` is of type and topic.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        ty: &'static str,
        name: &'static str,
        kind: &'static str,
        hash: u64,
        identity: u64,
        version: u16,
        topic: Hashed,
    ) -> Self {
        let (content_type, upcasts) = (crate::message::JSON, Events::None);
        Self {
            ty,
            name,
            kind,
            version,
            topic,
            hash,
            identity,
            content_type,
            upcasts,
            reply: None,
            replying: None,
            docs: "",
            key: None,
            id: None,
            schema: || None,
            broken: false,
        }
    }

    /// `format = ..`
    #[doc(hidden)]
    #[must_use]
    pub const fn written_as(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// `upcasts(..)`
    #[doc(hidden)]
    #[must_use]
    pub const fn upcasting(mut self, upcasts: Events) -> Self {
        self.upcasts = upcasts;
        self
    }

    /// `reply = ..`
    #[doc(hidden)]
    #[must_use]
    pub const fn answered_by(mut self, reply: &'static str, replying: Replying) -> Self {
        (self.reply, self.replying) = (Some(reply), Some(replying));
        self
    }

    /// What its payload looks like.
    #[doc(hidden)]
    #[must_use]
    pub const fn shaped(mut self, schema: fn() -> Option<Value>) -> Self {
        self.schema = schema;
        self
    }

    /// Its documentation.
    #[doc(hidden)]
    #[must_use]
    pub const fn documented(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// The fields that `key = ..` and `id = ..` name.
    #[doc(hidden)]
    #[must_use]
    pub const fn known_by(mut self, key: Option<&'static str>, id: Option<&'static str>) -> Self {
        (self.key, self.id) = (key, id);
        self
    }

    /// The descriptor of an event whose derive reported an error.
    #[doc(hidden)]
    #[must_use]
    pub const fn broken(ty: &'static str) -> Self {
        Self { broken: true, ..Self::new(ty, "", "", 0, 0, 0, Hashed::NONE) }
    }

    /// Whether name and version are equal.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.kind == other.kind
    }

    /// The Rust type's name, for messages; never sent.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.ty
    }

    /// The stable name, `order.placed`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The CloudEvents `type`: name and version, `order.placed.v2`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The version of the payload's shape.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// The topic it is published on; a token may be a `{field}`.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        self.topic.text()
    }
}

impl EventDescriptor {
    /// The content type of its payload.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// The older versions that `upcasts(..)` names.
    #[must_use]
    pub const fn upcasts(&self) -> Events {
        self.upcasts
    }

    /// The name of the type that answers it, if it is a request.
    #[must_use]
    pub const fn reply(&self) -> Option<&'static str> {
        self.reply
    }
}

impl fmt::Debug for EventDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDescriptor")
            .field("kind", &self.kind)
            .field("topic", &self.topic.text())
            .finish()
    }
}

/// Some events. A tree, because a trait's const cannot join slices of another trait's const.
#[derive(Debug, Clone, Copy)]
pub enum Events {
    /// No event.
    None,
    /// One.
    One(&'static EventDescriptor),
    /// Those of all these.
    Many(&'static [Self]),
}

impl Events {
    /// How many, repeats counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(parts) => {
                let (mut at, mut sum) = (0, 0);
                while at < parts.len() {
                    sum += parts[at].len();
                    at += 1;
                }
                sum
            }
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `nth` event, counted from 0.
    #[must_use]
    pub const fn get(&self, nth: usize) -> Option<&'static EventDescriptor> {
        match self {
            Self::One(event) if nth == 0 => Some(event),
            Self::None | Self::One(_) => None,
            Self::Many(parts) => {
                let (mut at, mut nth) = (0, nth);
                while at < parts.len() {
                    let len = parts[at].len();
                    if nth < len {
                        return parts[at].get(nth);
                    }
                    nth -= len;
                    at += 1;
                }
                None
            }
        }
    }

    /// Every event, repeats included.
    pub fn iter(self) -> impl Iterator<Item = &'static EventDescriptor> {
        (0..self.len()).filter_map(move |nth| self.get(nth))
    }
}
