//! What is asked of the dedupe store, one call at a time for each delivery.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::{
    backend::BoxFuture,
    dedupe::{Begun, Claim, DedupeStore},
    dispatch::slots::Slots,
    error::BoxError,
};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Begin,
    Done,
    Release,
}

/// The store's answer; that of `done` and `release` has no content.
pub(crate) type Answer = Result<Option<Begun>, BoxError>;

/// The calls that are under way.
pub(crate) struct Errands {
    slots: Slots,
    calls: Vec<Option<Call>>,
    woken: Vec<usize>,
}

struct Call {
    id: u32,
    ask: Ask,
    answer: BoxFuture<'static, Answer>,
}

impl Errands {
    pub(crate) fn new(count: usize) -> Self {
        let calls = std::iter::repeat_with(|| None).take(count).collect();
        Self { slots: Slots::new(count), calls, woken: Vec::new() }
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.slots.register(waker);
    }

    /// Begins a call for a delivery that has none; it is polled in the next round.
    pub(crate) fn ask(&mut self, id: u32, ask: Ask, store: &Arc<dyn DedupeStore>, claim: Claim) {
        // There is a slot for every held delivery.
        let Some(slot) = self.slots.acquire() else { return };
        let store = Arc::clone(store);
        let answer = Box::pin(async move {
            match ask {
                Ask::Begin => store.begin(&claim).await.map(Some),
                Ask::Done => store.done(&claim).await.map(|()| None),
                Ask::Release => store.release(&claim).await.map(|()| None),
            }
        });
        self.calls[slot] = Some(Call { id, ask, answer });
        self.slots.mark(slot);
    }

    /// Polls what was woken; gives back the answers.
    pub(crate) fn poll(&mut self, into: &mut Vec<(u32, Ask, Answer)>) {
        if self.slots.busy() == 0 {
            return;
        }
        let mut woken = std::mem::take(&mut self.woken);
        woken.clear();
        self.slots.take_woken(&mut woken);
        for slot in woken.drain(..) {
            let Some(call) = &mut self.calls[slot] else { continue };
            let polled = call.answer.as_mut().poll(&mut Context::from_waker(self.slots.waker(slot)));
            if let Poll::Ready(answer) = polled {
                self.slots.release(slot);
                into.extend(self.calls[slot].take().map(|call| (call.id, call.ask, answer)));
            }
        }
        self.woken = woken;
    }

    /// Drops the calls of deliveries that are gone.
    pub(crate) fn forget(&mut self, gone: impl Fn(u32) -> bool) {
        for slot in 0..self.calls.len() {
            if self.calls[slot].as_ref().is_some_and(|call| gone(call.id)) {
                self.calls[slot] = None;
                self.slots.release(slot);
            }
        }
    }
}

impl fmt::Debug for Errands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errands({} under way)", self.slots.busy())
    }
}
