//! Layers: what surrounds deliveries and publications, and is told what becomes of them.

mod chain;
mod views;

use std::time::Duration;

pub(crate) use self::chain::{Layers, Trail, Watch, polled};
pub use self::views::{Ended, Load, Publication, Received, Sent, Settlement};
use crate::{dead_letter::DeadLetter, error::Error, outcome::Failure};

/// What surrounds every delivery and publication of a bus: metrics, traces, alerts, headers that all events carry,
/// events that are not let through. [`Builder::layer`](crate::Builder::layer) adds one.
///
/// Every method has a default that does nothing. All are called by the task that does the work, in the order in which
/// the layers were added, so they must be quick and must not block. One that panics is logged and otherwise ignored:
/// it stops neither a delivery nor the bus. A bus without layers pays nothing for them.
///
/// A layer sees a bus of any service. What it is given is borrowed; it copies what it keeps.
///
/// ```
/// # use typebus::prelude::*;
/// use typebus::{Layer, OnSent, Publication, Received, Settlement};
///
/// /// Lets every event say in which region it was published, and logs what is dropped.
/// struct Region(&'static str);
///
/// impl Layer for Region {
///     fn publish(&self, publication: &mut Publication<'_>) -> typebus::Result<Option<OnSent>> {
///         publication.header("region", self.0);
///         Ok(None)
///     }
///
///     fn settle(&self, delivery: &Received<'_>, settlement: Settlement) {
///         if settlement == Settlement::Discarded {
///             tracing::info!(topic = delivery.topic(), id = delivery.metadata().id(), "dropped");
///         }
///     }
/// }
///
/// # service! { pub Idle = "idle" { } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> typebus::Result<()> {
/// let bus = Bus::<Idle>::builder().layer(Region("eu")).connect("memory:").await?;
/// # drop(bus);
/// # Ok(())
/// # }
/// ```
pub trait Layer: Send + Sync + 'static {
    /// An event is about to be published: by the program, or by a handler, mid-way or as what it returned. It may get
    /// [headers](Publication::header); what this returns is called with the broker's answer.
    ///
    /// It is called once for each event, however often the event has to be sent until it is confirmed, and in the
    /// handler's context where a handler publishes. For a dead letter ([`Publication::is_dead_letter`]) headers and
    /// errors are ignored: it stays what it was, and nothing may keep it from being written.
    ///
    /// # Errors
    /// The event is not published. The caller of `publish` gets the error; where a handler returned the event, the
    /// attempt failed with it: it is repeated if the error [is transient](Error::is_transient), else the delivery goes to
    /// the dead letters.
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        let _ = publication;
        Ok(None)
    }

    /// A delivery arrived from the broker.
    fn receive(&self, delivery: &Received<'_>) {
        let _ = delivery;
    }

    /// An attempt is about to begin: at one delivery, or at those of a batch; never at none. What this returns surrounds
    /// it.
    ///
    /// # Errors
    /// The handler is not called, and the failure decides what becomes of the delivery, like a handler's own.
    fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        let _ = deliveries;
        Ok(None)
    }

    /// An attempt failed and will be repeated `after` so long, or when the delivery's turn comes.
    fn retry(&self, delivery: &Received<'_>, after: Duration) {
        let _ = (delivery, after);
    }

    /// A delivery ended. What is given back unsettled, as when the bus stops, does not end here.
    fn settle(&self, delivery: &Received<'_>, settlement: Settlement) {
        let _ = (delivery, settlement);
    }

    /// A dead letter is confirmed by the broker; its delivery is settled next.
    fn dead_letter(&self, letter: &DeadLetter) {
        let _ = letter;
    }

    /// How much a subscription has in hand: told when it changed, at most once in each round of the loop, and every
    /// second while anything is held.
    fn load(&self, load: &Load<'_>) {
        let _ = load;
    }
}

/// What [`Layer::publish`] wants to have called with the broker's answer, once. Dropped uncalled where nobody waits for
/// the answer any more.
pub type OnSent = Box<dyn FnOnce(&Sent<'_>) + Send>;

/// What surrounds one attempt. Dropped without [`ended`](Self::ended) where the attempt is cut off: its partition was
/// lost, or a drain is over.
pub trait Around: Send {
    /// Surrounds every poll of the attempt, the first included, and the [`Layer::publish`] of what it returned. It calls
    /// `poll` once, such as within a context that the handler is to see.
    fn poll(&mut self, poll: &mut dyn FnMut()) {
        poll();
    }

    /// The attempt is over.
    fn ended(self: Box<Self>, ended: &Ended<'_>) {
        let _ = ended;
    }
}

/// Calls a function with every dead letter; for [`Builder::on_dead_letter`](crate::Builder::on_dead_letter).
pub(crate) struct OnDeadLetter<F>(pub(crate) F);

impl<F: Fn(&DeadLetter) + Send + Sync + 'static> Layer for OnDeadLetter<F> {
    fn dead_letter(&self, letter: &DeadLetter) {
        (self.0)(letter);
    }
}
