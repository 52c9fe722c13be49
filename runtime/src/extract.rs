//! Extractors: what a handler may ask for after its first argument.

use std::{
    convert::Infallible,
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::sync::watch;

use crate::{
    backend::{Delivery, Sender},
    envelope::Cause,
    event::{EventSet, Events},
    handler::Provides,
    input::Incoming,
    metadata::Metadata,
    outcome::{Failure, HandlerError},
    outlet::Outlet,
    outputs::Rejection,
    publish::Publish,
    scope::Scope,
};

/// An argument of a handler after the first. It is taken from the delivery before the function is called, without
/// waiting; an error decides what becomes of the delivery, like a handler's own.
///
/// ```
/// use typebus::{FromDelivery, Incoming, prelude::*};
///
/// pub struct Limits { pub max_bytes: usize }
/// pub struct Size(pub usize);
///
/// impl FromDelivery for Size {
///     type Needs = Limits; // the service lists it in `state: [..]`
///     type Error = Failure;
///
///     fn from_delivery(incoming: &Incoming<'_>, limits: &Limits) -> Result<Self, Failure> {
///         let size = incoming.payload().len();
///         if size > limits.max_bytes {
///             return Err(Failure::dead_letter(format!("{size} bytes")));
///         }
///         Ok(Self(size))
///     }
/// }
/// ```
///
/// A public extractor over a private state type is refused by rustc (E0446): make the state `pub(crate)` with its
/// extractor, or both public.
#[diagnostic::on_unimplemented(
    message = "a handler cannot ask for `{Self}`",
    label = "not an extractor",
    note = "arguments after the first are `State<_>`, `Metadata`, `Publisher<_>`, `Attempt`, `Shutdown` or your own `impl FromDelivery`"
)]
pub trait FromDelivery: Sized + Send + 'static {
    /// The state that it reads, `()` for none.
    type Needs: Send + Sync + 'static;
    /// What it fails with.
    type Error: HandlerError;
    /// What can be published through it.
    #[doc(hidden)]
    const PUBLISHES: Events = Events::None;

    /// Takes the value.
    ///
    /// # Errors
    /// Whatever the extractor refuses; the outcome of the error decides.
    fn from_delivery(incoming: &Incoming<'_>, needs: &Self::Needs) -> Result<Self, Self::Error>;

    /// Finds the state and takes the value.
    #[doc(hidden)]
    fn extract(incoming: &Incoming<'_>) -> Result<Self, Rejection> {
        let needs = incoming.scope.state.get::<Self::Needs>().ok_or_else(missing::<Self::Needs>)?;
        Self::from_delivery(incoming, needs).map_err(|error| Rejection::failed(&error))
    }
}

/// An extractor that finds in the service `S` what it needs.
#[diagnostic::on_unimplemented(
    message = "a handler cannot ask for `{Self}`",
    label = "not an extractor",
    note = "arguments after the first are `State<_>`, `Metadata`, `Publisher<_>`, `Attempt`, `Shutdown` or your own `impl FromDelivery`"
)]
pub trait AskedIn<S> {}

impl<S: Provides<A::Needs>, A: FromDelivery> AskedIn<S> for A {}

/// The compiler has checked that the service lists the state and that the builder was given it.
#[cold]
fn missing<T>() -> Rejection {
    Rejection::failed(&Failure::retry(format!("the bus has no state {}", std::any::type_name::<T>())))
}

/// A value that the program gave to the builder, shared by all handlers of the service.
///
/// In a plain unit test: `charge(order, gateway.into())`.
pub struct State<T>(Arc<T>);

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for State<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> fmt::Debug for State<T> {
    /// Names the type only: state may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State<{}>", std::any::type_name::<T>())
    }
}

impl<T: Send + Sync + 'static> FromDelivery for State<T> {
    type Needs = T;
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, _: &T) -> Result<Self, Failure> {
        let shared = incoming.scope.state.share::<T>();
        shared.map(Self).ok_or_else(|| Failure::retry("the bus has no such state"))
    }

    fn extract(incoming: &Incoming<'_>) -> Result<Self, Rejection> {
        incoming.scope.state.share::<T>().map(Self).ok_or_else(missing::<T>)
    }
}

impl FromDelivery for Metadata {
    type Needs = ();
    type Error = Infallible;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Infallible> {
        Ok(incoming.metadata())
    }
}

/// Which attempt this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    number: u32,
    max: u32,
}

impl Attempt {
    /// For a plain unit test.
    #[must_use]
    pub const fn new(number: u32, max: u32) -> Self {
        Self { number, max }
    }

    /// From 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// The handler's `attempts`.
    #[must_use]
    pub const fn max(self) -> u32 {
        self.max
    }

    /// Whether a failure now means the dead letter.
    #[must_use]
    pub const fn is_last(self) -> bool {
        self.number >= self.max
    }
}

impl FromDelivery for Attempt {
    type Needs = ();
    type Error = Infallible;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Infallible> {
        Ok(Self { number: incoming.attempt, max: incoming.scope.attempts })
    }
}

/// Tells a long handler that the program wants to stop.
///
/// A running handler has until the end of the drain (20 s by default); what has not finished then is dropped and
/// comes again later.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Whether the program wants to stop.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when the program wants to stop. Cancel safe.
    pub async fn wait(&mut self) {
        // The sender lives as long as the bus; if it is gone, the program has stopped.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

impl FromDelivery for Shutdown {
    type Needs = ();
    type Error = Infallible;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Infallible> {
        Ok(Self(incoming.scope.shutdown.clone()))
    }
}

/// Publishes `E`, or each of the events of a tuple: mid-way in a handler, or, from
/// [`Bus::publisher`](crate::Bus::publisher), anywhere else.
///
/// In a handler each publication is confirmed when it is awaited; it is not taken back when the handler fails later.
/// A repeated attempt gives the nth publication the same id again, so that consumers can recognise it. Correlation
/// and trace context flow from the delivery.
///
/// One task that awaits each publication keeps the order of a key; several tasks do not.
pub struct Publisher<E> {
    route: Route,
    events: PhantomData<fn(E)>,
}

#[derive(Clone)]
enum Route {
    Inside { scope: Arc<Scope>, cause: Delivery, published: Arc<AtomicU32> },
    Outside(Arc<Outlet>),
}

impl<E> Publisher<E> {
    pub(crate) const fn outside(outlet: Arc<Outlet>) -> Self {
        Self { route: Route::Outside(outlet), events: PhantomData }
    }

    /// Encodes the event at once; awaiting sends it and gives its receipt.
    pub fn publish<P, Place>(&self, event: &P) -> Publish
    where
        P: OneOf<E, Place>,
    {
        match &self.route {
            Route::Outside(outlet) => Publish::new(outlet, event, Sender::Program),
            Route::Inside { scope, cause, published } => {
                let index = published.fetch_add(1, Ordering::Relaxed);
                let id = Cause { delivery: cause }.derive_id(scope, Some(b"mid"), index);
                Publish::new(&scope.outlet, event, Sender::Handler).caused_by(cause.clone(), id)
            }
        }
    }
}

impl<E> Clone for Publisher<E> {
    fn clone(&self) -> Self {
        Self { route: self.route.clone(), events: PhantomData }
    }
}

impl<E> fmt::Debug for Publisher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publisher<{}>", std::any::type_name::<E>())
    }
}

impl<E: Publishes> FromDelivery for Publisher<E> {
    type Needs = ();
    type Error = Infallible;
    const PUBLISHES: Events = E::EVENTS;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Infallible> {
        let (scope, cause) = (Arc::clone(incoming.scope), incoming.delivery.clone());
        let published = Arc::clone(incoming.published.get_or_init(Arc::default));
        Ok(Self { route: Route::Inside { scope, cause, published }, events: PhantomData })
    }
}

/// What a [`Publisher`] can be for: an event, a set, or a tuple of these.
#[diagnostic::on_unimplemented(
    message = "a `Publisher` cannot be for `{Self}`",
    label = "not an event",
    note = "`Publisher<_>` is for an event, an `EventSet`, or a tuple of these"
)]
pub trait Publishes: 'static {
    #[doc(hidden)]
    const EVENTS: Events;
}

#[diagnostic::do_not_recommend]
impl<E: EventSet> Publishes for E {
    const EVENTS: Events = E::EVENTS;
}

/// An event that a [`Publisher<E>`](Publisher) is for.
#[diagnostic::on_unimplemented(
    message = "`Publisher<{E}>` does not publish `{Self}`",
    label = "not what this publisher is for",
    note = "ask for `Publisher<{Self}>`, or for a tuple such as `Publisher<(A, B)>` that has it"
)]
pub trait OneOf<E, Place>: EventSet {}

/// The place of an event in a publisher's tuple.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nth<const N: usize>;

impl<E: EventSet> OneOf<E, ()> for E {}

macro_rules! tuples {
    ($(($($name:ident)*))*) => { $(
        impl<$($name: EventSet),*> Publishes for ($($name,)*) {
            const EVENTS: Events = Events::Many(&[$($name::EVENTS),*]);
        }
    )* };
}

tuples!((A B)(A B C)(A B C D));

macro_rules! places {
    ($($place:literal $own:ident of ($($name:ident)*);)*) => { $(
        impl<$($name: EventSet),*> OneOf<($($name,)*), Nth<$place>> for $own {}
    )* };
}

places! {
    0 A of (A B); 1 B of (A B);
    0 A of (A B C); 1 B of (A B C); 2 C of (A B C);
    0 A of (A B C D); 1 B of (A B C D); 2 C of (A B C D); 3 D of (A B C D);
}
