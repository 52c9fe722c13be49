//! Payloads: how an event becomes bytes, and what can go wrong on the way back.

#[cfg(feature = "cbor")]
mod cbor;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(any(feature = "msgpack", feature = "cbor"))]
mod shape;
mod written;

use std::fmt;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::BoxError,
    event::{Event, EventDescriptor, Events},
    input::Incoming,
    key::KeyText,
    message::{Attribute, JSON, MessageBuilder},
    template,
};

#[cfg(feature = "cbor")]
pub use self::cbor::Cbor;
#[cfg(feature = "msgpack")]
pub use self::msgpack::MsgPack;
pub(crate) use self::written::ALWAYS_WRITTEN;

/// How the payload of an event becomes bytes and back: what `#[event(format = path)]` names.
///
/// Generic over the event, so that one codec serves every event of a kind, and asks for what it needs.
///
/// ```
/// use typebus::{BoxError, Codec, prelude::*};
///
/// /// Plain text.
/// pub struct Text;
///
/// impl<E: ToString + From<String>> Codec<E> for Text {
///     const CONTENT_TYPE: &'static str = "text/plain";
///
///     fn encode(event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
///         into.extend_from_slice(event.to_string().as_bytes());
///         Ok(())
///     }
///
///     fn decode(payload: &[u8]) -> Result<E, BoxError> {
///         Ok(std::str::from_utf8(payload)?.to_owned().into())
///     }
/// }
///
/// #[derive(Event)]
/// #[event(topic = "shop.notes", format = Text)] // needs neither serde nor schemars
/// struct Note(String);
/// # impl ToString for Note { fn to_string(&self) -> String { self.0.clone() } }
/// # impl From<String> for Note { fn from(text: String) -> Self { Self(text) } }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec for `{E}`",
    label = "not a codec for `{E}`",
    note = "`format` is \"json\", \"msgpack\", \"cbor\", or a type that implements `typebus::Codec<{E}>`"
)]
pub trait Codec<E>: 'static {
    /// The content type that is sent with every payload.
    const CONTENT_TYPE: &'static str;

    /// Appends the payload to `into`, which is empty.
    ///
    /// # Errors
    /// The event cannot be written; publishing it answers with `Encode`.
    fn encode(event: &E, into: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Reads a payload.
    ///
    /// # Errors
    /// The payload is no such event; its delivery becomes a dead letter.
    fn decode(payload: &[u8]) -> Result<E, BoxError>;

    /// Whether a payload of this content type can be read; one without a content type always can. Parameters do not
    /// count.
    #[must_use]
    fn reads(content_type: &str) -> bool {
        essence(content_type).eq_ignore_ascii_case(essence(Self::CONTENT_TYPE))
    }

    /// The JSON Schema, draft 2020-12, of the payloads that [`decode`](Self::decode) reads, for the service's
    /// [manifest](crate::manifest); `None` where there is none.
    #[must_use]
    fn schema() -> Option<Value> {
        None
    }
}

/// `format = "json"`, the default.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl<E: Serialize + DeserializeOwned + JsonSchema> Codec<E> for Json {
    const CONTENT_TYPE: &'static str = JSON;

    fn encode(event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        serde_json::to_writer(into, event).map_err(Into::into)
    }

    fn decode(payload: &[u8]) -> Result<E, BoxError> {
        // One look at the whole payload costs less than serde_json's look at each of its strings.
        Ok(serde_json::from_str(std::str::from_utf8(payload)?)?)
    }

    /// `application/json`, `text/json` and every `+json`, with or without parameters.
    fn reads(content_type: &str) -> bool {
        is_json(content_type)
    }

    fn schema() -> Option<Value> {
        Some(schema::<E>())
    }
}

/// The schema of what is read as a `T`. It is that of reading because whoever writes must be read: a field with a
/// default may be absent. What is written nevertheless is noted in it.
pub(crate) fn schema<T: JsonSchema>() -> Value {
    let of = |settings: SchemaSettings| settings.into_generator().into_root_schema_for::<T>().to_value();
    let mut read = of(SchemaSettings::draft2020_12().for_deserialize());
    written::note(&mut read, &of(SchemaSettings::draft2020_12().for_serialize()));
    read
}

/// Whether a content type says that the payload is JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type).to_ascii_lowercase();
    matches!(essence.as_str(), JSON | "text/json") || essence.ends_with("+json")
}

/// A content type without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// A codec for one event, as data. No associated type: that must not be more private than its event.
#[doc(hidden)]
pub struct Format<E> {
    content_type: &'static str,
    encode: fn(&E, &mut Vec<u8>) -> Result<(), BoxError>,
    decode: fn(&[u8]) -> Result<E, BoxError>,
    reads: fn(&str) -> bool,
    schema: fn() -> Option<Value>,
}

impl<E> Format<E> {
    /// That of the codec `C`.
    #[must_use]
    pub const fn of<C: Codec<E>>() -> Self {
        let (encode, decode, reads, schema) = (C::encode, C::decode, C::reads, C::schema);
        Self { content_type: C::CONTENT_TYPE, encode, decode, reads, schema }
    }

    /// That of `format = "msgpack"`.
    #[cfg(feature = "msgpack")]
    #[must_use]
    pub const fn msgpack() -> Self
    where
        MsgPack: Codec<E>,
    {
        Self::of::<MsgPack>()
    }

    /// Not in this build.
    #[cfg(not(feature = "msgpack"))]
    #[must_use]
    pub const fn msgpack() -> Self
    where
        E: InMsgPack,
    {
        Self::broken()
    }

    /// That of `format = "cbor"`.
    #[cfg(feature = "cbor")]
    #[must_use]
    pub const fn cbor() -> Self
    where
        Cbor: Codec<E>,
    {
        Self::of::<Cbor>()
    }

    /// Not in this build.
    #[cfg(not(feature = "cbor"))]
    #[must_use]
    pub const fn cbor() -> Self
    where
        E: InCbor,
    {
        Self::broken()
    }

    /// What its payloads are.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// What its payloads look like.
    #[must_use]
    pub const fn schema(&self) -> fn() -> Option<Value> {
        self.schema
    }

    /// That of an event whose derive reported an error.
    #[must_use]
    pub const fn broken() -> Self {
        Self {
            content_type: JSON,
            encode: |_, _| Err("the event did not compile".into()),
            decode: |_| Err("the event did not compile".into()),
            reads: |_| false,
            schema: || None,
        }
    }
}

/// What no event is while the feature `msgpack` is off. The macro cannot see which features are on; this can say it.
#[doc(hidden)]
#[cfg(not(feature = "msgpack"))]
#[diagnostic::on_unimplemented(
    message = "the format \"msgpack\" is not in this build of typebus",
    label = "needs the feature `msgpack`",
    note = "turn it on: `cargo add typebus --features msgpack`"
)]
pub trait InMsgPack {}

/// As [`InMsgPack`], for `cbor`.
#[doc(hidden)]
#[cfg(not(feature = "cbor"))]
#[diagnostic::on_unimplemented(
    message = "the format \"cbor\" is not in this build of typebus",
    label = "needs the feature `cbor`",
    note = "turn it on: `cargo add typebus --features cbor`"
)]
pub trait InCbor {}

impl<E> fmt::Debug for Format<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.content_type).finish()
    }
}

/// An event that is written and not yet stamped with its envelope. Its buffers are used again.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Encoded {
    pub(crate) builder: MessageBuilder,
    /// The declared id; meaningful while `has_id`.
    pub(crate) id: Vec<u8>,
    pub(crate) has_id: bool,
    /// The topic, where the event's has a field in it, and the first field whose value cannot stand there.
    pub(crate) topic: Vec<u8>,
    pub(crate) wrong_field: Option<&'static str>,
}

impl Encoded {
    /// Writes payload, key, id and topic of `event`.
    pub(crate) fn write<E: Event>(&mut self, event: &E) -> Result<(), EncodeError> {
        let written = self.builder.payload(|buffer| (E::FORMAT.encode)(event, buffer));
        written.map_err(|source| EncodeError { event: &E::DESCRIPTOR, source })?;
        self.builder.write_key(|buffer| {
            let mut key = KeyText::new(buffer);
            event.write_key(&mut key);
            key.is_present()
        });
        self.id.clear();
        let mut id = KeyText::new(&mut self.id);
        event.write_id(&mut id);
        self.has_id = id.is_present();
        if E::DESCRIPTOR.topic.is_template() {
            self.wrong_field = template::write(&mut self.topic, |topic| event.write_topic(topic));
        }
        Ok(())
    }
}

/// Reads the payload of what arrived as `E`, or as an older version of it.
pub(crate) fn decode<E: Event>(incoming: &Incoming<'_>) -> Result<E, DecodeError> {
    if !E::OLDER.is_empty()
        && !incoming.is_event(&E::DESCRIPTOR)
        && let Some(older) = Older::nearest(E::OLDER, incoming)
    {
        return (older.decode)(incoming);
    }
    let message = incoming.message();
    if !(E::FORMAT.content_type == JSON && message.is_plain_json())
        && let Some(found) = incoming.content_type()
        && !std::str::from_utf8(found).is_ok_and(E::FORMAT.reads)
    {
        return Err(DecodeError::content_type(&E::DESCRIPTOR, found));
    }
    (E::FORMAT.decode)(message.payload()).map_err(|error| DecodeError::payload(&E::DESCRIPTOR, error))
}

/// An older version of the event `E`.
#[doc(hidden)]
pub struct Older<E> {
    event: &'static EventDescriptor,
    decode: fn(&Incoming<'_>) -> Result<E, DecodeError>,
}

impl<E: 'static> Older<E> {
    /// `Old`, and through it the versions that it was made from itself.
    #[must_use]
    pub const fn of<Old: Event>() -> Self
    where
        E: UpcastFrom<Old>,
    {
        Self { event: &Old::DESCRIPTOR, decode: |incoming| decode::<Old>(incoming).map(E::upcast_from) }
    }

    /// The version that arrived itself, or else one that was made from it.
    fn nearest<'a>(all: &'a [Self], incoming: &Incoming<'_>) -> Option<&'a Self> {
        let itself = all.iter().find(|older| incoming.is_event(older.event));
        itself.or_else(|| all.iter().find(|older| incoming.is_or_was(older.event)))
    }

    /// Its descriptor.
    #[must_use]
    pub const fn event(&self) -> Events {
        Events::One(self.event)
    }
}

impl<E> fmt::Debug for Older<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Older").field(self.event).finish()
    }
}

/// An event that can be made from its older version `Old`: every `From<Old>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from its older version `{Old}`",
    label = "no way from this version",
    note = "write `impl From<{Old}> for {Self}`"
)]
pub trait UpcastFrom<Old> {
    #[doc(hidden)]
    fn upcast_from(old: Old) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Old>, Old> UpcastFrom<Old> for E {
    fn upcast_from(old: Old) -> Self {
        old.into()
    }
}

/// An event could not be serialized.
#[derive(Debug)]
pub struct EncodeError {
    event: &'static EventDescriptor,
    source: BoxError,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.event.content_type == JSON { "JSON" } else { self.event.content_type };
        write!(f, "{} cannot be written as {format}: {}", self.event.ty, self.source)
    }
}

impl std::error::Error for EncodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// A payload that is not the event it says it is. Its outcome is always the dead letter.
#[derive(Debug)]
pub struct DecodeError(Box<Undecodable>);

#[derive(Debug)]
struct Undecodable {
    message: String,
    source: Option<BoxError>,
}

impl DecodeError {
    fn payload(event: &EventDescriptor, source: BoxError) -> Self {
        let message = format!("the payload is not {} ({}): {source}", event.ty, event.kind);
        Self(Box::new(Undecodable { message, source: Some(source) }))
    }

    fn content_type(event: &EventDescriptor, found: &[u8]) -> Self {
        let found = String::from_utf8_lossy(found);
        let message =
            format!("{} is read from {}, but the content type is `{found}`", event.ty, event.content_type);
        Self(Box::new(Undecodable { message, source: None }))
    }

    /// What arrived is none of the events that were asked for.
    pub(crate) fn foreign(wanted: &str, incoming: &Incoming<'_>) -> Self {
        let found = incoming.message().attribute(Attribute::Type).map(String::from_utf8_lossy);
        let found = found.unwrap_or_else(|| "without a type".into());
        let message = format!("expected {wanted}, but the message is `{found}`");
        Self(Box::new(Undecodable { message, source: None }))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
