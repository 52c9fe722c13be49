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

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn so_many_are_given_and_each_that_waits_is_woken_once_for_one_given_back() {
        let (permits, woken) = (Permits::new(2), Arc::new(Woken::default()));
        let (waker, other) = (Waker::from(Arc::clone(&woken)), Waker::from(Arc::new(Woken::default())));
        assert_eq!([(); 4].map(|()| permits.acquire(&waker)), [true, true, false, false]);
        assert!(!permits.acquire(&other));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        permits.release();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!([(); 2].map(|()| permits.acquire(&other)), [true, false]);
        // Who was woken and does not ask again is not woken again.
        permits.release();
        permits.release();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!([(); 3].map(|()| permits.acquire(&waker)), [true, true, false]);
    }
}
