//! What a handler returns: events to publish, or an error that decides.

use std::{any::Any, cell::OnceCell, fmt, sync::Arc};

use uuid::Uuid;

use crate::{
    backend::{Delivery, Outgoing, Sender},
    codec::DecodeError,
    envelope::{Cause, Identity, Stamp},
    event::{EventSet, Events, Exactly, NoReply},
    outcome::{HandlerError, Outcome},
    reply::Asked,
    scope::Scope,
};

/// What a handler can return: `()`, an event, a set, `Option`, `Vec` or a tuple of these, nested as one likes, or a
/// `Result` of them.
///
/// Returned events are published in order and confirmed before the delivery is settled.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not publishable",
    note = "return `()`, an event, an `EventSet`, `Option`, `Vec` or a tuple of these, or a `Result` of one of these"
)]
pub trait Outputs: Emits {}

/// How [`Outputs`] are published. It is apart from that, so that rustc has one impl to blame for each type.
#[doc(hidden)]
pub trait Emits: Sized + Send {
    /// Everything that may be published.
    const PUBLISHES: Events;

    fn collect(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection>;
}

#[diagnostic::do_not_recommend]
impl<E: EventSet> Emits for E {
    const PUBLISHES: Events = E::EVENTS;

    fn collect(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
        outbox.push(&self)
    }
}

impl Outputs for () {}

impl Emits for () {
    const PUBLISHES: Events = Events::None;

    fn collect(self, _: &mut Outbox<'_>) -> Result<(), Rejection> {
        Ok(())
    }
}

impl<T: Outputs> Outputs for Option<T> {}

impl<T: Emits> Emits for Option<T> {
    const PUBLISHES: Events = T::PUBLISHES;

    fn collect(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
        self.map_or(Ok(()), |outputs| outputs.collect(outbox))
    }
}

impl<T: Outputs> Outputs for Vec<T> {}

impl<T: Emits> Emits for Vec<T> {
    const PUBLISHES: Events = T::PUBLISHES;

    fn collect(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
        self.into_iter().try_for_each(|outputs| outputs.collect(outbox))
    }
}

impl<T: Outputs, E: HandlerError> Outputs for Result<T, E> {}

impl<T: Emits, E: HandlerError> Emits for Result<T, E> {
    const PUBLISHES: Events = T::PUBLISHES;

    fn collect(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
        match self {
            Ok(outputs) => outputs.collect(outbox),
            Err(error) => Err(Rejection::failed(&error)),
        }
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => { $(
        impl<$($name: Outputs),*> Outputs for ($($name,)*) {}

        impl<$($name: Emits),*> Emits for ($($name,)*) {
            const PUBLISHES: Events = Events::Many(&[$($name::PUBLISHES),*]);

            fn collect(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
                #[allow(non_snake_case, reason = "the type parameters name the fields")]
                let ($($name,)*) = self;
                $($name.collect(outbox)?;)*
                Ok(())
            }
        }
    )* };
}

tuples!((A)(A B)(A B C)(A B C D)(A B C D E)(A B C D E F)(A B C D E F G)(A B C D E F G H));

/// What the handler of a request can return: exactly its reply `R`, or a `Result` of that.
#[diagnostic::on_unimplemented(
    message = "the handler of this request cannot return `{Self}`",
    label = "expected `{R}`",
    note = "a request is answered by exactly what its `reply = ..` names: return `{R}`, or a `Result` of it"
)]
pub trait Answers<R>: Sized + Send {
    #[doc(hidden)]
    fn answer(self) -> Result<R, Rejection>;
}

impl<R: Send> Answers<R> for R {
    fn answer(self) -> Result<R, Rejection> {
        Ok(self)
    }
}

impl<R: Send, E: HandlerError> Answers<R> for Result<R, E> {
    fn answer(self) -> Result<R, Rejection> {
        self.map_err(|error| Rejection::failed(&error))
    }
}

/// What a handler returned. A type of its own, so that rustc blames what is inside.
#[doc(hidden)]
#[derive(Debug)]
pub struct Returned<O>(pub(crate) O);

/// What settles a delivery that asks for `K`: [`Outputs`], or [`Answers`].
#[doc(hidden)]
pub trait Settles<K> {
    /// Everything that may be published.
    const PUBLISHES: Events = Events::None;

    fn settle(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection>;
}

impl<O: Outputs> Settles<NoReply> for Returned<O> {
    const PUBLISHES: Events = O::PUBLISHES;

    fn settle(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
        self.0.collect(outbox)
    }
}

impl<R: 'static, O: Answers<R>> Settles<Exactly<R>> for Returned<O> {
    fn settle(self, outbox: &mut Outbox<'_>) -> Result<(), Rejection> {
        outbox.reply(&self.0.answer()?)
    }
}

/// Where returned events are written, each with an id that a repeated run gives it again.
#[doc(hidden)]
pub struct Outbox<'a> {
    pub(crate) scope: &'a Arc<Scope>,
    pub(crate) cause: Cause<'a>,
    /// The other members of a batch, of which `cause` is the first.
    pub(crate) others: Option<&'a Others<'a>>,
    pub(crate) index: u32,
    pub(crate) outgoing: &'a mut Vec<Outgoing>,
}

impl<'a> Outbox<'a> {
    /// For an attempt at `cause` and, in a batch, `others`.
    pub(crate) const fn new(
        scope: &'a Arc<Scope>,
        cause: &'a Delivery,
        others: Option<&'a Others<'a>>,
        outgoing: &'a mut Vec<Outgoing>,
    ) -> Self {
        Self { scope, cause: Cause { delivery: cause }, others, index: 0, outgoing }
    }

    /// Adds one event.
    pub(crate) fn push<S: EventSet>(&mut self, event: &S) -> Result<(), Rejection> {
        // What a batch returned is another fact than what its first member returns when it runs alone.
        let id = match self.others {
            None => self.cause.derive_id(self.scope, None, self.index),
            Some(others) => self.cause.derive_id(self.scope, Some(others.name().as_bytes()), self.index),
        };
        self.index += 1;
        let outlet = &self.scope.outlet;
        let (topic, message) = outlet
            .write(event, &Stamp { identity: Identity::Derived(id), cause: Some(self.cause), ..Stamp::PLAIN })
            .map_err(|error| Rejection::unpublishable(&error))?;
        self.outgoing.push(Outgoing { topic, message, sender: Sender::Handler, options: None });
        Ok(())
    }

    /// Adds the reply to a request, if somebody waits for one.
    fn reply(&mut self, reply: &dyn Any) -> Result<(), Rejection> {
        let Some(asked) = Asked::by(self.cause.delivery) else { return Ok(()) };
        let written = asked.reply(self.scope, self.cause, reply);
        self.outgoing.push(written.map_err(|error| Rejection::unpublishable(&error))?);
        Ok(())
    }
}

/// The members of a batch after the first.
pub(crate) struct Others<'a> {
    deliveries: Vec<&'a Delivery>,
    name: OnceCell<Uuid>,
}

impl<'a> Others<'a> {
    /// `None` where there are none.
    pub(crate) fn new(deliveries: impl Iterator<Item = &'a Delivery>) -> Option<Self> {
        let deliveries: Vec<_> = deliveries.collect();
        (!deliveries.is_empty()).then(|| Self { deliveries, name: OnceCell::new() })
    }

    fn name(&self) -> &Uuid {
        self.name.get_or_init(|| Cause::name_all(&self.deliveries))
    }
}

impl fmt::Debug for Outbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("outgoing", &self.outgoing).finish_non_exhaustive()
    }
}

/// Why an attempt did not succeed, and what follows. Boxed, so that the usual result of an attempt is small.
#[doc(hidden)]
#[derive(Debug)]
pub struct Rejection(Box<Rejected>);

#[doc(hidden)]
#[derive(Debug)]
pub struct Rejected {
    pub(crate) outcome: Outcome,
    pub(crate) reason: Reason,
    pub(crate) error: String,
}

impl std::ops::Deref for Rejection {
    type Target = Rejected;

    fn deref(&self) -> &Rejected {
        &self.0
    }
}

impl Rejection {
    pub(crate) fn new(outcome: Outcome, reason: Reason, error: &dyn fmt::Display) -> Self {
        Self(Box::new(Rejected { outcome, reason, error: short(error) }))
    }

    pub(crate) fn failed(error: &impl HandlerError) -> Self {
        Self::new(error.outcome(), Reason::Failed, error)
    }

    pub(crate) fn undecodable(error: &DecodeError) -> Self {
        Self::new(Outcome::DeadLetter, Reason::Undecodable, error)
    }

    /// No member of a batch could be read.
    pub(crate) fn nothing_left() -> Self {
        Self::new(Outcome::DeadLetter, Reason::Undecodable, &"no member of the batch can be read")
    }

    pub(crate) fn unpublishable(error: &crate::Error) -> Self {
        Self::new(Outcome::DeadLetter, Reason::PublishFailed, error)
    }

    pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let what = payload.downcast_ref::<&str>().copied();
        let what =
            what.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        Self::new(Outcome::Retry { after: None }, Reason::Panicked, &format_args!("panicked: {what}"))
    }

    pub(crate) fn timed_out(after: std::time::Duration) -> Self {
        let error = format_args!("the attempt took longer than its timeout of {after:?}");
        Self::new(Outcome::Retry { after: None }, Reason::TimedOut, &error)
    }
}

/// The longest error text that is kept, in bytes.
const MAX_ERROR: usize = 1024;

/// An error's text, cut to 1 KiB; a `Display` that panics must not take the worker with it.
pub(crate) fn short(error: &dyn fmt::Display) -> String {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let text = catch_unwind(AssertUnwindSafe(|| error.to_string()));
    let mut text = text.unwrap_or_else(|_| "the error's Display panicked".to_owned());
    if text.len() > MAX_ERROR {
        let end = (0..=MAX_ERROR - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Why a delivery became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The handler's error said so, or its attempts were used up.
    Failed,
    /// The handler panicked in its last attempt.
    Panicked,
    /// The last attempt took longer than its timeout.
    TimedOut,
    /// The payload or its content type is not what the event needs.
    Undecodable,
    /// An event that the handler returned cannot be published.
    PublishFailed,
    /// The message has no type, and the topic carries several.
    NoType,
    /// The event is handled, but not in this version.
    UnknownVersion,
    /// The group does not handle the event, and `unhandled = dead_letter` was asked for.
    Unhandled,
    /// Too many headers, or headers that cannot be read.
    Headers,
    /// The process died of it, again and again.
    Crashed,
}

impl Reason {
    const ALL: [Self; 10] = [
        Self::Failed,
        Self::Panicked,
        Self::TimedOut,
        Self::Undecodable,
        Self::PublishFailed,
        Self::NoType,
        Self::UnknownVersion,
        Self::Unhandled,
        Self::Headers,
        Self::Crashed,
    ];

    /// The word that dead letters carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed-out",
            Self::Undecodable => "undecodable",
            Self::PublishFailed => "publish_failed",
            Self::NoType => "no-type",
            Self::UnknownVersion => "unknown-version",
            Self::Unhandled => "unhandled",
            Self::Headers => "headers",
            Self::Crashed => "crashed",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
