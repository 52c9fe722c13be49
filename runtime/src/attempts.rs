//! The futures of one handler, in slots that are used again.
//!
//! Two functions per handler are generic, [`start`](Attempts::start) and [`poll`](Attempts::poll); the loop that
//! calls them is compiled once. Nothing is allocated per delivery: a future is written into its pinned slot.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    input::Arrival,
    outputs::{Outbox, Outputs, Rejection},
};

/// The running attempts of one handler.
#[doc(hidden)]
pub trait Attempts: Send {
    /// Decodes, extracts and calls the handler, whose future then waits in the empty slot for its first poll.
    fn start(&mut self, slot: usize, arrival: &Arrival<'_>) -> Result<(), Rejection>;

    /// Polls the future in a slot. When it is ready the slot is empty again and what it returned is in the outbox.
    fn poll(
        &mut self,
        slot: usize,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Poll<Result<(), Rejection>>;

    /// Drops the future in a slot, if there is one.
    fn cancel(&mut self, slot: usize);
}

/// The slots of a handler whose calls give futures of type `F`.
pub(crate) struct Pinned<H, F> {
    call: H,
    slots: Vec<Pin<Box<Option<F>>>>,
}

impl<H, F> Pinned<H, F> {
    pub(crate) fn new(call: H, slots: usize) -> Self {
        Self { call, slots: (0..slots).map(|_| Box::pin(None)).collect() }
    }
}

impl<H, F> Attempts for Pinned<H, F>
where
    H: Fn(&Arrival<'_>) -> Result<F, Rejection> + Send,
    F: Future<Output: Outputs> + Send,
{
    fn start(&mut self, slot: usize, arrival: &Arrival<'_>) -> Result<(), Rejection> {
        let called = catch_unwind(AssertUnwindSafe(|| (self.call)(arrival)));
        let future = called.unwrap_or_else(|panic| Err(Rejection::panicked(&*panic)))?;
        self.slots[slot].as_mut().set(Some(future));
        Ok(())
    }

    fn poll(
        &mut self,
        slot: usize,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Poll<Result<(), Rejection>> {
        let Some(future) = self.slots[slot].as_mut().as_pin_mut() else { return Poll::Pending };
        // Collecting runs the user's `Serialize` and `Display`, so a panic there is the handler's as well.
        let polled =
            catch_unwind(AssertUnwindSafe(|| future.poll(cx).map(|returned| returned.collect(outbox))));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(Rejection::panicked(&*panic)),
        };
        self.cancel(slot);
        Poll::Ready(result)
    }

    fn cancel(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| slot.as_mut().set(None))) {
            let error = &Rejection::panicked(&*panic).error;
            tracing::error!(%error, "a handler's future panicked while it was dropped");
        }
    }
}

impl<H, F> fmt::Debug for Pinned<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({} slots)", self.slots.len())
    }
}
