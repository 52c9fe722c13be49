//! The futures of one handler, in slots that are used again.
//!
//! Two functions per handler are generic, [`start`](Attempts::start) and [`poll`](Attempts::poll); the loop that
//! calls them is compiled once. Nothing is allocated per delivery: a future is written into its pinned slot.

use std::{
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    backend::Subscription,
    input::Arrival,
    outputs::{Outbox, Rejection, Returned, Settles},
};

/// The running attempts of one handler.
#[doc(hidden)]
pub trait Attempts: Send {
    /// Decodes, extracts, calls the handler, and polls its future in the empty slot for the first time. What it
    /// publishes is caused by the first delivery that could be read.
    fn start<'a>(
        &mut self,
        slot: usize,
        arrival: &Arrival<'a>,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'a>,
    ) -> Poll<Result<(), Rejection>>;

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

/// Puts something around the attempts of every handler of a program that is tested.
pub(crate) type Wrap = dyn Fn(&Subscription, Box<dyn Attempts>) -> Box<dyn Attempts> + Send + Sync;

/// The slots of a handler whose calls give futures of type `F`, for an input that asks for `K`.
pub(crate) struct Pinned<H, F, K> {
    call: H,
    slots: Vec<Slot<F>>,
    asks: PhantomData<fn(K)>,
}

impl<H, F, K> Pinned<H, F, K> {
    pub(crate) fn new(call: H, slots: usize) -> Self {
        Self { call, slots: (0..slots).map(|_| Box::pin(None)).collect(), asks: PhantomData }
    }
}

impl<H, F, K> Attempts for Pinned<H, F, K>
where
    H: Fn(&Arrival<'_>) -> Result<F, Rejection> + Send,
    F: Future + Send,
    Returned<F::Output>: Settles<K>,
{
    fn start<'a>(
        &mut self,
        slot: usize,
        arrival: &Arrival<'a>,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'a>,
    ) -> Poll<Result<(), Rejection>> {
        let Self { call, slots, .. } = self;
        ended(&mut slots[slot], |slot| {
            match call(arrival) {
                Ok(future) => slot.as_mut().set(Some(future)),
                Err(rejection) => return Poll::Ready(Err(rejection)),
            }
            if arrival.items.len() > 1 {
                outbox.cause.delivery = arrival.first().delivery;
            }
            poll::<F, K>(slot, cx, outbox)
        })
    }

    fn poll(
        &mut self,
        slot: usize,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Poll<Result<(), Rejection>> {
        ended(&mut self.slots[slot], |slot| poll::<F, K>(slot, cx, outbox))
    }

    fn cancel(&mut self, slot: usize) {
        empty(&mut self.slots[slot]);
    }
}

type Slot<F> = Pin<Box<Option<F>>>;

/// Polls a slot's future. Collecting runs the user's `Serialize` and `Display`, so a panic there is the handler's too.
fn poll<F, K>(
    slot: &mut Slot<F>,
    cx: &mut Context<'_>,
    outbox: &mut Outbox<'_>,
) -> Poll<Result<(), Rejection>>
where
    F: Future,
    Returned<F::Output>: Settles<K>,
{
    let Some(future) = slot.as_mut().as_pin_mut() else { return Poll::Pending };
    future.poll(cx).map(|returned| Returned(returned).settle(outbox))
}

/// Runs `step`; when it ends the attempt, by a panic too, the slot is empty again.
fn ended<F>(
    slot: &mut Slot<F>,
    step: impl FnOnce(&mut Slot<F>) -> Poll<Result<(), Rejection>>,
) -> Poll<Result<(), Rejection>> {
    let stepped = catch_unwind(AssertUnwindSafe(|| step(slot)));
    let polled = stepped.unwrap_or_else(|panic| Poll::Ready(Err(Rejection::panicked(&*panic))));
    if polled.is_ready() {
        empty(slot);
    }
    polled
}

fn empty<F>(slot: &mut Slot<F>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| slot.as_mut().set(None))) {
        let error = &Rejection::panicked(&*panic).error;
        tracing::error!(%error, "a handler's future panicked while it was dropped");
    }
}

impl<H, F, K> fmt::Debug for Pinned<H, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({} slots)", self.slots.len())
    }
}
