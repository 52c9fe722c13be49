//! Topologies: what `topology!` generates.

use std::fmt;

use crate::{event::Events, service::ServiceDescriptor};

/// A system of services, checked as a whole. Implemented by `topology!`.
pub trait Topology: Sized + Send + Sync + 'static {
    /// The services, and what comes from and goes to the outside.
    const DESCRIPTOR: TopologyDescriptor;
}

/// What is known of a system at compile time.
#[derive(Clone, Copy)]
pub struct TopologyDescriptor {
    pub(crate) name: &'static str,
    pub(crate) services: &'static [ServiceDescriptor],
    pub(crate) from_outside: &'static [Events],
    pub(crate) to_outside: &'static [Events],
    pub(crate) may_repeat: &'static [Events],
}

impl TopologyDescriptor {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        name: &'static str,
        services: &'static [ServiceDescriptor],
        from_outside: &'static [Events],
        to_outside: &'static [Events],
        may_repeat: &'static [Events],
    ) -> Self {
        Self { name, services, from_outside, to_outside, may_repeat }
    }

    /// The services, in the order of the list.
    #[must_use]
    pub const fn services(&self) -> &'static [ServiceDescriptor] {
        self.services
    }

    /// Events that somebody outside publishes.
    #[must_use]
    pub const fn from_outside(&self) -> Events {
        Events::Many(self.from_outside)
    }

    /// Events that somebody outside handles.
    #[must_use]
    pub const fn to_outside(&self) -> Events {
        Events::Many(self.to_outside)
    }

    /// Events that may lead to themselves.
    #[must_use]
    pub const fn may_repeat(&self) -> Events {
        Events::Many(self.may_repeat)
    }
}

impl fmt::Debug for TopologyDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopologyDescriptor")
            .field("services", &self.services)
            .field("from_outside", &self.from_outside)
            .field("to_outside", &self.to_outside)
            .field("may_repeat", &self.may_repeat)
            .finish()
    }
}
