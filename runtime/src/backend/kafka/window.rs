//! What is on its way to the broker, and what waits for room.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use crate::{
    backend::{Confirmation, Outgoing},
    error::Result,
};

/// Bounded by count and bytes, below the bounds of the client's own queue, which is never full so.
#[derive(Debug)]
pub(super) struct Window {
    bounds: (usize, usize),
    count: AtomicUsize,
    bytes: AtomicUsize,
    /// Something waits, so that everything has to, or it would overtake.
    pub(super) waits: AtomicBool,
    queue: Mutex<Queue>,
    condition: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) closing: bool,
}

/// A message that is not handed to the client yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) outgoing: Outgoing,
    pub(super) answer: Arc<Pending>,
    pub(super) since: Instant,
}

impl Window {
    pub(super) fn new(count: usize, bytes: usize) -> Self {
        Self {
            bounds: (count, bytes),
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            waits: AtomicBool::new(false),
            queue: Mutex::default(),
            condition: Condvar::new(),
        }
    }

    /// One is admitted whatever its size.
    pub(super) fn has_room(&self) -> bool {
        self.count.load(Ordering::Relaxed) < self.bounds.0
            && self.bytes.load(Ordering::Relaxed) < self.bounds.1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn enter(&self, bytes: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn leave(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let before = self.count.fetch_sub(1, Ordering::AcqRel);
        if self.waits.load(Ordering::Relaxed) || before == 1 {
            self.condition.notify_all();
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify(&self) {
        self.condition.notify_all();
    }

    /// Waits for something to happen. What happens between a look and this is noticed a little later.
    pub(super) fn wait<'a>(&self, queue: MutexGuard<'a, Queue>, patience: Duration) -> MutexGuard<'a, Queue> {
        self.condition.wait_timeout(queue, patience).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A place for one answer.
#[derive(Debug)]
pub(super) struct Pending {
    state: Mutex<(Option<Result<Confirmation>>, Option<Waker>)>,
    /// What it takes of the window.
    pub(super) bytes: usize,
}

impl Pending {
    pub(super) const fn new(bytes: usize) -> Self {
        Self { state: Mutex::new((None, None)), bytes }
    }

    pub(super) fn answer(&self, answer: Result<Confirmation>) {
        let waker = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = Some(answer);
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for the answer.
pub(super) struct Answer(pub(super) Arc<Pending>);

impl Future for Answer {
    type Output = Result<Confirmation>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = state.0.take() {
            return Poll::Ready(answer);
        }
        match &mut state.1 {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}
