//! What threads share in the dispatch, in every order in which they may meet: `cargo xtask test --only loom`.
//!
//! Loom runs each model once for every order, up to a number of preemptions. Where a wake-up is lost a thread sleeps for
//! ever, and loom says so.

mod shards;

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use loom::{future::block_on, model::Builder, thread};

use crate::dispatch::{permits::Permits, slots::Slots, worker::Control};

/// Runs a model in every order with at most so many preemptions.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    // More of them by `LOOM_MAX_PREEMPTIONS`.
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 20_000;
    builder.check(model);
}

#[test]
fn loom_a_wake_of_a_slot_reaches_the_worker() {
    check(3, || {
        let mut slots = Slots::new(2);
        assert_eq!([slots.acquire(), slots.acquire()], [Some(0), Some(1)]);
        let wakes = [0, 1].map(|slot| {
            let waker = slots.waker(slot).clone();
            thread::spawn(move || waker.wake())
        });
        let mut seen = Vec::new();
        block_on(poll_fn(|cx| {
            slots.register(cx.waker());
            slots.take_woken(&mut seen);
            if seen.len() == 2 { Poll::Ready(()) } else { Poll::Pending }
        }));
        seen.sort_unstable();
        assert_eq!(seen, [0, 1], "each once");
        wakes.into_iter().for_each(|wake| wake.join().unwrap());
    });
}

#[test]
fn loom_a_wake_of_a_run_does_not_hide_that_of_the_next() {
    check(3, || {
        let mut slots = Slots::new(1);
        assert_eq!(slots.acquire(), Some(0));
        let old = slots.waker(0).clone();
        let late = thread::spawn(move || old.wake());
        slots.release(0);
        assert_eq!(slots.acquire(), Some(0));
        let new = slots.waker(0).clone();
        let wake = thread::spawn(move || new.wake());
        let mut seen = Vec::new();
        block_on(poll_fn(|cx| {
            slots.register(cx.waker());
            slots.take_woken(&mut seen);
            // A spurious poll is allowed; that none comes after the new run's wake is not.
            if seen.is_empty() { Poll::Pending } else { Poll::Ready(()) }
        }));
        wake.join().unwrap();
        late.join().unwrap();
    });
}

#[test]
fn loom_a_permit_is_never_held_twice_and_never_forgotten() {
    check(3, || {
        let permits = Arc::new(Permits::new(1));
        let inside = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let work = |permits: Arc<Permits>, inside: Arc<loom::sync::atomic::AtomicUsize>| {
            block_on(poll_fn(|cx| if permits.acquire(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }));
            assert_eq!(inside.fetch_add(1, Ordering::AcqRel), 0, "two run at once");
            inside.fetch_sub(1, Ordering::AcqRel);
            permits.release();
        };
        let others = [(); 2].map(|()| {
            let (permits, inside) = (Arc::clone(&permits), Arc::clone(&inside));
            thread::spawn(move || work(permits, inside))
        });
        others.into_iter().for_each(|other| other.join().unwrap());
        let waker = std::task::Waker::noop();
        assert!(permits.acquire(waker) && !permits.acquire(waker), "one is free again");
    });
}

#[test]
fn loom_a_worker_hears_of_a_stop_and_of_a_hurry() {
    check(3, || {
        let control = Arc::new(Control::new(0));
        let threads = [Control::stop, Control::hurry].map(|tell| {
            let control = Arc::clone(&control);
            thread::spawn(move || tell(&control))
        });
        // Both bits are there in the end, in whichever order they come.
        block_on(poll_fn(|cx| {
            control.waker.register(cx.waker());
            if control.wishes.load(Ordering::Acquire) == 3 { Poll::Ready(()) } else { Poll::Pending }
        }));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
