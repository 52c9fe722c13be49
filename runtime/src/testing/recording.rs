//! Publishers without a bus, for plain unit tests.

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{journal::Journal, tap::Tap};
use crate::{
    backend::Backend,
    connect::IntoBackend,
    error::{ErrorKind, Result},
    event::{Event, EventSet},
    extract::{Publisher, Publishes},
    outlet::Outlet,
};

impl<E: Publishes> Publisher<E> {
    /// A publisher for a plain unit test of a handler, and what is published through it and its clones.
    ///
    /// It encodes, checks keys and headers, and confirms like any other, on a broker that nobody else has; it needs
    /// neither a runtime with a timer nor a service.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// use typebus::prelude::*;
    ///
    /// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
    /// # #[event(topic = "shop.orders")]
    /// # struct OrderPlaced { order_id: String }
    /// #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
    /// #[event(topic = "shop.progress")]
    /// struct Packing { order_id: String }
    ///
    /// #[handler]
    /// async fn pack(order: OrderPlaced, progress: Publisher<Packing>) -> Result<(), Failure> {
    ///     progress.publish(&Packing { order_id: order.order_id }).await?;
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (progress, recorded) = Publisher::recording();
    /// pack(OrderPlaced { order_id: "o-1".into() }, progress).await.unwrap();
    /// assert_eq!(recorded.events::<Packing>(), [Packing { order_id: "o-1".into() }]);
    /// # }
    /// ```
    ///
    /// # Panics
    /// Never: its broker is made of defaults.
    #[must_use]
    pub fn recording() -> (Self, Recorded<E>) {
        let journal = Journal::new(None);
        let broker = private_broker().unwrap_or_else(|error| panic!("{error}"));
        let tap: Arc<dyn Backend> = Arc::new(Tap { broker, journal: Arc::clone(&journal) });
        let outlet = Arc::new(Outlet::new(tap, "test", &[], std::iter::empty()));
        (Self::outside(Arc::clone(&outlet)), Recorded { journal, outlet, events: PhantomData })
    }
}

/// A memory broker that nobody else has.
pub(super) fn private_broker() -> Result<Arc<dyn Backend>> {
    "memory:".into_backend()
}

/// What was published through a [`Publisher::recording`]. Clones share it.
pub struct Recorded<E> {
    journal: Arc<Journal>,
    outlet: Arc<Outlet>,
    events: PhantomData<fn(E)>,
}

impl<E: Publishes> Recorded<E> {
    /// Everything that was published and is a `P`, in order, read again from what was sent.
    ///
    /// # Panics
    /// What was sent as a `P` cannot be read as one: its `Serialize` and `Deserialize` disagree.
    #[must_use]
    pub fn events<P: EventSet>(&self) -> Vec<P> {
        self.journal.events(&self.outlet)
    }

    /// Lets the next `times` publications of a `P` fail with an error of this kind.
    pub fn refuse<P: Event>(&self, times: u32, error: ErrorKind) {
        self.journal.refuse(&P::DESCRIPTOR, times, error);
    }
}

impl<E> Clone for Recorded<E> {
    fn clone(&self) -> Self {
        let Self { journal, outlet, events } = self;
        Self { journal: Arc::clone(journal), outlet: Arc::clone(outlet), events: *events }
    }
}

impl<E> fmt::Debug for Recorded<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorded({} events)", self.journal.stored())
    }
}
