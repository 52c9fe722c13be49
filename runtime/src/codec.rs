//! Payloads: how an event becomes bytes, and what can go wrong on the way back.

use std::fmt;

use crate::{
    error::BoxError,
    event::{Event, EventDescriptor},
    input::Incoming,
    key::KeyText,
    message::{Attribute, JSON, MessageBuilder},
};

/// An event that is written and not yet stamped with its envelope. Its buffers are used again.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Encoded {
    pub(crate) builder: MessageBuilder,
    /// The declared id; meaningful while `has_id`.
    pub(crate) id: Vec<u8>,
    pub(crate) has_id: bool,
}

impl Encoded {
    /// Writes payload, key and id of `event`.
    pub(crate) fn write<E: Event>(&mut self, event: &E) -> Result<(), EncodeError> {
        let written = self.builder.payload(|buffer| serde_json::to_writer(buffer, event));
        written.map_err(|source| EncodeError { event: E::DESCRIPTOR.ty, source: source.into() })?;
        self.builder.write_key(|buffer| {
            let mut key = KeyText::new(buffer);
            event.write_key(&mut key);
            key.is_present()
        });
        self.id.clear();
        let mut id = KeyText::new(&mut self.id);
        event.write_id(&mut id);
        self.has_id = id.is_present();
        Ok(())
    }
}

/// Reads the payload of what arrived as `E`.
pub(crate) fn decode<E: Event>(incoming: &Incoming<'_>) -> Result<E, DecodeError> {
    let message = incoming.message();
    if !message.is_plain_json()
        && let Some(found) = incoming.content_type()
        && !is_json(found)
    {
        return Err(DecodeError::content_type(&E::DESCRIPTOR, found));
    }
    // One look at the whole payload costs less than serde_json's look at each of its strings.
    let payload = std::str::from_utf8(message.payload())
        .map_err(|error| DecodeError::payload(&E::DESCRIPTOR, error))?;
    serde_json::from_str(payload).map_err(|error| DecodeError::payload(&E::DESCRIPTOR, error))
}

/// `application/json`, `text/json` and every `+json`, with or without parameters.
fn is_json(content_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), JSON | "text/json") || essence.ends_with("+json")
}

/// An event could not be serialized.
#[derive(Debug)]
pub struct EncodeError {
    event: &'static str,
    source: BoxError,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be written as JSON: {}", self.event, self.source)
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
    fn payload(event: &EventDescriptor, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let message = format!("the payload is not {} ({}): {source}", event.ty, event.kind);
        Self(Box::new(Undecodable { message, source: Some(source.into()) }))
    }

    fn content_type(event: &EventDescriptor, found: &[u8]) -> Self {
        let found = String::from_utf8_lossy(found);
        let message = format!("{} is read from {JSON}, but the content type is `{found}`", event.ty);
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
