//! All that generated code names. Nothing here is covered by semantic versioning.

pub use std::time::Duration;

use crate::attempts::Pinned;
pub use crate::{
    attempts::Attempts,
    check::{batch_mismatch, handler_conflict, known, name_clash, topic_mismatch, topic_missing},
    codec::{DecodeError, EncodeError, Encoded},
    event::{Event, EventDescriptor, EventSet, Events},
    extract::FromDelivery,
    handler::{Handler, HandlerDescriptor, Provides, RunsIn},
    input::{Arrival, Incoming, Input, Member},
    key::{Key, KeyText},
    outcome::{HandlerError, Outcome},
    outputs::{Outbox, Outputs, Rejection},
    policy::{Backoff, DeadLetterTo, Order, Policy, Start, Unhandled},
    scope::States,
    service::{NoState, PublishedBy, Service, ServiceDescriptor, StateOf},
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

/// `Input::from_arrival` of everything that takes one delivery.
///
/// # Errors
/// The payload does not decode.
pub fn single<M: Member>(arrival: &Arrival<'_>) -> Result<M, Rejection> {
    crate::input::single(arrival)
}

/// `Outputs::collect` of an event or set.
///
/// # Errors
/// It cannot be encoded, or is too large.
pub fn push<S: EventSet>(event: &S, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
    outbox.push(event)
}

/// Takes an argument after the first.
///
/// # Errors
/// Whatever the extractor refuses.
pub fn extract<A: FromDelivery>(arrival: &Arrival<'_>) -> Result<A, Rejection> {
    A::extract(arrival.first())
}

/// The slots of a handler.
pub fn attempts<O, H, F>(slots: usize, call: H) -> Box<dyn Attempts>
where
    // Named by the macro, so that rustc points at the return type where this does not hold.
    O: Outputs,
    H: Fn(&Arrival<'_>) -> Result<F, Rejection> + Send + 'static,
    F: Future<Output = O> + Send + 'static,
{
    Box::new(Pinned::new(call, slots))
}

/// The events of a service's list.
#[must_use]
pub const fn published<S, E: PublishedBy<S>>() -> Events {
    E::EVENTS
}

/// An extractor that finds in `S` what it needs.
#[diagnostic::on_unimplemented(
    message = "a handler cannot ask for `{Self}`",
    label = "not an extractor",
    note = "arguments after the first are `State<_>`, `Metadata`, `Publisher<_>`, `Attempt`, `Shutdown` or your own `impl FromDelivery`"
)]
pub trait AskedIn<S> {}

impl<S: Provides<A::Needs>, A: FromDelivery> AskedIn<S> for A {}
