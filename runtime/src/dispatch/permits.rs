//! The concurrency of a handler that stands in several subscriptions: each has slots for all of it, and a permit
//! decides.

use std::{sync::PoisonError, task::Waker};

use crate::dispatch::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Permits(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    free: usize,
    waiting: Vec<Waker>,
}

impl Permits {
    pub(crate) fn new(free: usize) -> Self {
        Self(Mutex::new(Inner { free, waiting: Vec::new() }))
    }

    /// Takes a permit, or has `waker` woken when one is given back.
    pub(crate) fn acquire(&self, waker: &Waker) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.free > 0 {
            inner.free -= 1;
            return true;
        }
        if !inner.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            inner.waiting.push(waker.clone());
        }
        false
    }

    pub(crate) fn release(&self) {
        let waiting = {
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            inner.free += 1;
            std::mem::take(&mut inner.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
