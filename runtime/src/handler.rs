//! Handlers: what `#[handler]` generates beside the function.

use std::{
    fmt,
    task::{Context, Poll},
};

use crate::{
    attempts::{Attempts, Pinned},
    event::Events,
    input::{Arrival, Input},
    outputs::{Outbox, Rejection, Returned, Settles},
    policy::Policy,
    template,
    topic::{Hashed, str_eq},
};

/// A function with `#[handler]`; implemented by the marker of the same name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "put `#[handler]` on the `async fn`"
)]
pub trait Handler {
    /// Everything the service needs to know.
    const DESCRIPTOR: HandlerDescriptor;
}

/// A handler that finds everything it needs in service `S`. Implemented by `#[handler]`, with a bound for each state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "put `#[handler]` on the `async fn`"
)]
pub trait RunsIn<S>: Handler {
    /// The descriptor, for the service's list. A constant of the trait rather than a function with a bound, so that
    /// rustc's message names only what the user wrote.
    #[doc(hidden)]
    const LISTED: HandlerDescriptor = Self::DESCRIPTOR;
}

/// A service that lists the state `T`. Implemented by `service!`.
#[diagnostic::on_unimplemented(
    message = "service `{Self}` has no state `{T}`",
    label = "wants the state `{T}`",
    note = "add `{T}` to `state: [..]` of the service `{Self}`"
)]
pub trait Provides<T> {}

impl<S> Provides<()> for S {}

/// What is known of a handler at compile time.
#[derive(Clone, Copy)]
pub struct HandlerDescriptor {
    /// The function's name; unique in a service.
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    /// `None`: the topics of its events.
    pub(crate) topic: Option<Hashed>,
    pub(crate) accepts: Events,
    pub(crate) any: bool,
    pub(crate) batch: bool,
    /// Its batch stands inside another type.
    pub(crate) nested: bool,
    /// What it returns, and what its publishers are for.
    pub(crate) publishes: [Events; 2],
    /// `None`: the service's name.
    pub(crate) group: Option<&'static str>,
    pub(crate) policy: Policy,
    /// Hashes of the name and of the group, 0 without one, so that the compiler can compare hundreds of handlers.
    pub(crate) name_hash: u64,
    pub(crate) group_hash: u64,
    /// Its documentation.
    pub(crate) docs: &'static str,
    pub(crate) broken: bool,
    pub(crate) attempts: fn(usize) -> Box<dyn Attempts>,
}

impl HandlerDescriptor {
    /// A handler with nothing but a name and what it takes and gives.
    const fn new(
        name: &'static str,
        name_hash: u64,
        module: &'static str,
        attempts: fn(usize) -> Box<dyn Attempts>,
    ) -> Self {
        Self {
            name,
            module,
            topic: None,
            accepts: Events::None,
            any: false,
            batch: false,
            nested: false,
            publishes: [Events::None; 2],
            group: None,
            policy: Policy::DEFAULT,
            name_hash,
            group_hash: 0,
            docs: "",
            broken: false,
            attempts,
        }
    }

    /// The descriptor of a handler whose macro reported an error; every check passes over it.
    #[doc(hidden)]
    #[must_use]
    pub const fn broken(name: &'static str, module: &'static str) -> Self {
        Self { broken: true, ..Self::new(name, 0, module, |_| Box::new(NeverRuns)) }
    }

    /// A handler that takes an `I` and returns an `O`. Every use of the two stands here and in [`slots`](Self::slots),
    /// whose bounds are the same, so that a type that cannot be either is reported once.
    #[doc(hidden)]
    #[must_use]
    pub const fn of<I: Input<K>, K, O>(
        name: &'static str,
        name_hash: u64,
        module: &'static str,
        attempts: fn(usize) -> Box<dyn Attempts>,
    ) -> Self
    where
        Returned<O>: Settles<K>,
    {
        let mut handler = Self::new(name, name_hash, module, attempts);
        handler.accepts = I::ACCEPTS;
        (handler.any, handler.batch, handler.nested) = (I::ANY, I::BATCH, I::NESTED);
        handler.publishes[0] = <Returned<O>>::PUBLISHES;
        handler
    }

    /// The slots of a handler.
    #[doc(hidden)]
    pub fn slots<I, K, O, H, F>(slots: usize, call: H) -> Box<dyn Attempts>
    where
        I: Input<K>,
        K: 'static,
        // Named by the macro, so that rustc points at the return type where this does not hold.
        Returned<O>: Settles<K>,
        H: Fn(I, &Arrival<'_>) -> Result<F, Rejection> + Send + 'static,
        O: Send,
        F: Future<Output = O> + Send + 'static,
    {
        Box::new(Pinned::new(move |arrival: &Arrival<'_>| call(I::from_arrival(arrival)?, arrival), slots))
    }

    /// What its publishers are for.
    #[doc(hidden)]
    #[must_use]
    pub const fn publishing(mut self, publishers: Events) -> Self {
        self.publishes[1] = publishers;
        self
    }

    /// `topic = ".."`.
    #[doc(hidden)]
    #[must_use]
    pub const fn on_topic(mut self, topic: Hashed) -> Self {
        self.topic = Some(topic);
        self
    }

    /// `group = ".."`.
    #[doc(hidden)]
    #[must_use]
    pub const fn in_group(mut self, group: &'static str, group_hash: u64) -> Self {
        (self.group, self.group_hash) = (Some(group), group_hash);
        self
    }

    /// All other arguments.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Its documentation.
    #[doc(hidden)]
    #[must_use]
    pub const fn documented(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// The function's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The module in which it is defined.
    #[must_use]
    pub const fn module(&self) -> &'static str {
        self.module
    }

    /// The topic or pattern it listens to; `None` means the topics of its events.
    #[must_use]
    pub const fn topic(&self) -> Option<&'static str> {
        match &self.topic {
            Some(topic) => Some(topic.text()),
            None => None,
        }
    }

    /// The topics and patterns of its subscriptions.
    pub(crate) fn filters(&self) -> Vec<&'static str> {
        if let Some(topic) = self.topic() {
            return vec![topic];
        }
        let mut filters = Vec::new();
        for home in self.accepts.iter().map(|event| template::home(self.accepts, event)) {
            if !filters.contains(&home) {
                filters.push(home);
            }
        }
        filters
    }

    /// The events it takes; none for one that takes every event.
    #[must_use]
    pub const fn accepts(&self) -> Events {
        self.accepts
    }

    /// What it may publish: what it returns, and what its publishers are for.
    #[must_use]
    pub const fn publishes(&'static self) -> Events {
        Events::Many(&self.publishes)
    }

    /// The group, where it is not the service's name.
    #[must_use]
    pub const fn group(&self) -> Option<&'static str> {
        self.group
    }

    /// How its deliveries are run.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) const fn is(&self, other: &Self) -> bool {
        str_eq(self.name, other.name) && str_eq(self.module, other.module)
    }
}

impl fmt::Debug for HandlerDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerDescriptor")
            .field("name", &self.name)
            .field("topic", &self.topic())
            .field("accepts", &self.accepts)
            .field("publishes", &self.publishes)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// Stands in for a handler that did not compile.
struct NeverRuns;

impl Attempts for NeverRuns {
    fn start<'a>(
        &mut self,
        _: usize,
        _: &Arrival<'a>,
        _: &mut Context<'_>,
        _: &mut Outbox<'a>,
    ) -> Poll<Result<(), Rejection>> {
        Poll::Pending
    }

    fn poll(&mut self, _: usize, _: &mut Context<'_>, _: &mut Outbox<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Pending
    }

    fn cancel(&mut self, _: usize) {}
}
