//! Services: what `service!` generates.

use std::fmt;

use crate::{
    event::{EventDescriptor, EventSet, Events},
    handler::HandlerDescriptor,
    scope::States,
};

/// The list of what a program handles and publishes. Implemented by `service!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "not a service",
    note = "the list is of what `service!` makes"
)]
pub trait Service: Sized + Send + Sync + 'static {
    /// Name, handlers and events.
    const DESCRIPTOR: ServiceDescriptor;
}

/// What is known of a service at compile time.
#[derive(Clone, Copy)]
pub struct ServiceDescriptor {
    pub(crate) name: &'static str,
    pub(crate) name_hash: u64,
    pub(crate) handlers: &'static [HandlerDescriptor],
    pub(crate) publishes: &'static [Events],
    /// Its documentation.
    pub(crate) docs: &'static str,
    pub(crate) broken: bool,
}

impl ServiceDescriptor {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        name: &'static str,
        name_hash: u64,
        handlers: &'static [HandlerDescriptor],
        publishes: &'static [Events],
        broken: bool,
    ) -> Self {
        Self { name, name_hash, handlers, publishes, docs: "", broken }
    }

    /// Its documentation.
    #[doc(hidden)]
    #[must_use]
    pub const fn documented(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// The service's name: the envelope's `source`, and the group of its handlers.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its handlers, in the order of the list.
    #[must_use]
    pub const fn handlers(&self) -> &'static [HandlerDescriptor] {
        self.handlers
    }

    /// What the program itself publishes.
    #[must_use]
    pub const fn publishes(&self) -> Events {
        Events::Many(self.publishes)
    }

    /// Everything that is published: by the program, and by its handlers. Repeats included.
    pub fn all_published(&self) -> impl Iterator<Item = &'static EventDescriptor> {
        self.publishes().iter().chain(self.handlers.iter().flat_map(|handler| handler.publishes().iter()))
    }

    /// The requests among what the program itself publishes, each once.
    pub(crate) fn requests(&self) -> Vec<&'static EventDescriptor> {
        let mut requests: Vec<&'static EventDescriptor> = Vec::new();
        for event in self.publishes().iter().filter(|event| event.reply.is_some()) {
            if !requests.iter().any(|known| known.is_same(event)) {
                requests.push(event);
            }
        }
        requests
    }

    /// The group of a handler.
    #[must_use]
    pub fn group_of(&self, handler: &HandlerDescriptor) -> &'static str {
        handler.group.unwrap_or(self.name)
    }
}

impl fmt::Debug for ServiceDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceDescriptor")
            .field("name", &self.name)
            .field("handlers", &self.handlers)
            .field("publishes", &self.publishes)
            .finish_non_exhaustive()
    }
}

/// An event that the program of service `S` may publish itself. Implemented by `service!`.
#[diagnostic::on_unimplemented(
    message = "service `{S}` does not publish `{Self}`",
    label = "not among what `{S}` publishes",
    note = "add `{Self}` to `publishes: [..]` of `{S}`; what only its handlers return is theirs to publish"
)]
pub trait PublishedBy<S>: EventSet {}

/// The value or tuple that the builder of service `Self` wants. Implemented by `service!`.
#[diagnostic::on_unimplemented(
    message = "the state of service `{Self}` is not complete",
    label = "given: `{T}`",
    note = "`.state(..)` takes what `state: [..]` lists, in that order: one value, or a tuple of them"
)]
pub trait StateOf<T> {
    #[doc(hidden)]
    fn collect(state: T, into: &mut States);
}

/// No state was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoState;
