//! All that generated code names. Nothing here is covered by semantic versioning.

pub use std::time::Duration;

pub use crate::{
    attempts::Attempts,
    check::{
        Survey, SystemSurvey, arrivals, batch_mismatch, input_mismatch, known, known_in, refuse,
        topic_mismatch, upcast_mismatch,
    },
    codec::{Codec, DecodeError, EncodeError, Encoded, Format, Json, Older},
    event::{Event, EventDescriptor, EventSet, Events, Exactly, NoReply, Reply, Request},
    extract::{AskedIn, FromDelivery},
    handler::{Handler, HandlerDescriptor, Provides, RunsIn},
    input::{Arrival, Incoming, Input},
    key::{Key, KeyText},
    manifest::keep_manifest,
    nearest::suggest,
    outcome::{HandlerError, Outcome},
    outputs::{Outbox, Outputs, Rejection},
    policy::{Backoff, DeadLetterTo, Guarantee, Order, Policy, Start, Unhandled, UnknownVersion},
    scope::States,
    service::{NoState, PublishedBy, Service, ServiceDescriptor, StateOf},
    template::TopicText,
    topic::Hashed,
    topology::{Topology, TopologyDescriptor},
};

/// Reads an event.
///
/// # Errors
/// The payload is not an `E`, or its content type is another.
pub fn decode<E: Event>(incoming: &Incoming<'_>) -> Result<E, DecodeError> {
    crate::codec::decode(incoming)
}

/// Writes an event.
///
/// # Errors
/// Its `Serialize` fails.
pub fn encode<E: Event>(event: &E, into: &mut Encoded) -> Result<&'static EventDescriptor, EncodeError> {
    into.write(event).map(|()| &E::DESCRIPTOR)
}

/// What arrived is no variant of the set.
///
/// # Errors
/// Always.
pub fn not_in_set<S>(set: &str, incoming: &Incoming<'_>) -> Result<S, DecodeError> {
    Err(DecodeError::foreign(set, incoming))
}

/// The events of a service's list. A function, so that what its bound asks for is said at the list's impl alone.
#[must_use]
pub const fn published<S, E: PublishedBy<S>>() -> Events {
    E::EVENTS
}
