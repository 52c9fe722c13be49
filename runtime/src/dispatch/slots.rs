//! A fixed set of slots for running attempts: which are free, which were woken, which are out of time.
//!
//! Invariants:
//! - A busy slot is never handed out, and there are never more busy slots than the set has.
//! - What was left behind by a finished run (a wake, a deadline) never reaches a later run of its slot. A waker that
//!   outlives its run may still wake the later one: a spurious poll, which every future allows.
//! - A wake is never lost: its bit is set before the worker is woken, and the worker registers before it looks.
//! - Nothing here allocates after [`Slots::new`]; above all each slot's waker is made once.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, atomic::Ordering},
    task::{Wake, Waker},
};

use crate::{
    clock::Moment,
    dispatch::sync::{AtomicU64, AtomicWaker},
};

/// The slots of one worker, by index.
#[derive(Debug)]
pub(crate) struct Slots {
    woken: Arc<Woken>,
    slots: Box<[Slot]>,
    /// The one released last is used first: its memory is warm.
    free: Vec<usize>,
    /// In rising order, because all attempts of a set have one timeout. A deadline that no longer counts stays until
    /// it is met at the front, or until there are too many.
    deadlines: VecDeque<Deadline>,
    /// How many deadlines were ever armed.
    armed: u64,
}

impl Slots {
    /// `count` slots, all free.
    pub(crate) fn new(count: usize) -> Self {
        let woken = Arc::new(Woken {
            bits: (0..count.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect(),
            worker: AtomicWaker::new(),
        });
        let slot = |slot| Slot {
            waker: Waker::from(Arc::new(SlotWaker { woken: Arc::clone(&woken), slot })),
            busy: false,
            deadline: None,
        };
        Self {
            slots: (0..count).map(slot).collect(),
            free: (0..count).rev().collect(),
            deadlines: VecDeque::with_capacity(count * 2),
            armed: 0,
            woken,
        }
    }

    /// Sets the worker's own waker, which is woken when any slot is. To be called before [`Self::take_woken`].
    pub(crate) fn register(&self, waker: &Waker) {
        self.woken.worker.register(waker);
    }

    /// Makes a free slot busy, and forgets the wakes that came before.
    pub(crate) fn acquire(&mut self) -> Option<usize> {
        let slot = self.free.pop()?;
        self.slots[slot].busy = true;
        self.woken.clear(slot);
        Some(slot)
    }

    /// The slot is free again, and its deadline no longer counts. On a free slot this changes nothing.
    pub(crate) fn release(&mut self, slot: usize) {
        if mem::replace(&mut self.slots[slot].busy, false) {
            self.slots[slot].deadline = None;
            self.free.push(slot);
        }
    }

    /// The waker for polling this slot: it notes the slot and wakes the worker, from any thread.
    pub(crate) fn waker(&self, slot: usize) -> &Waker {
        &self.slots[slot].waker
    }

    /// Has the next [`Self::take_woken`] return the slot. The worker, who calls this, is not woken.
    pub(crate) fn mark(&mut self, slot: usize) {
        self.woken.set(slot);
    }

    /// Appends the busy slots that were woken since the last call, each once.
    pub(crate) fn take_woken(&mut self, into: &mut Vec<usize>) {
        for (word, bits) in self.woken.bits.iter().enumerate() {
            // Most words of a large set are empty, and reading one is cheaper than swapping it.
            if bits.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = bits.swap(0, Ordering::AcqRel);
            while bits != 0 {
                let slot = word * BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if self.slots[slot].busy {
                    into.push(slot);
                }
            }
        }
    }

    /// Gives the run in this busy slot a deadline, in place of the one it may have. Deadlines are armed in rising
    /// order.
    pub(crate) fn arm(&mut self, slot: usize, at: Moment) {
        debug_assert!(self.slots[slot].busy, "slot {slot} is free");
        debug_assert!(self.deadlines.back().is_none_or(|last| last.at <= at), "deadlines must rise");
        // One long run at the front would otherwise keep every deadline behind it. At most half of the entries
        // count, so that each clearing pays for as many arms to come.
        if self.deadlines.len() >= self.slots.len() * 2 {
            self.deadlines.retain(|deadline| deadline.counts(&self.slots));
        }
        self.slots[slot].deadline = Some(self.armed);
        self.deadlines.push_back(Deadline { at, slot, number: self.armed });
        self.armed += 1;
    }

    /// A busy slot whose deadline has come, each deadline once.
    pub(crate) fn expired(&mut self, now: Moment) -> Option<usize> {
        if self.next_deadline()? > now {
            return None;
        }
        let slot = self.deadlines.pop_front()?.slot;
        self.slots[slot].deadline = None;
        Some(slot)
    }

    /// The first deadline that counts.
    pub(crate) fn next_deadline(&mut self) -> Option<Moment> {
        while let Some(first) = self.deadlines.front() {
            if first.counts(&self.slots) {
                return Some(first.at);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// How many slots are busy.
    pub(crate) fn busy(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_busy(&self, slot: usize) -> bool {
        self.slots[slot].busy
    }

    /// How many slots there are.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }
}

#[derive(Debug)]
struct Slot {
    waker: Waker,
    busy: bool,
    /// The number of the deadline that counts. Numbers are never used again, so that an old deadline cannot be
    /// taken for a later run's.
    deadline: Option<u64>,
}

#[derive(Debug)]
struct Deadline {
    at: Moment,
    slot: usize,
    number: u64,
}

impl Deadline {
    fn counts(&self, slots: &[Slot]) -> bool {
        slots[self.slot].deadline == Some(self.number)
    }
}

/// What the wakers of all slots share: a bit for each slot, and the worker to wake.
#[derive(Debug)]
struct Woken {
    bits: Box<[AtomicU64]>,
    worker: AtomicWaker,
}

const BITS: usize = u64::BITS as usize;

impl Woken {
    fn set(&self, slot: usize) {
        self.bits[slot / BITS].fetch_or(1 << (slot % BITS), Ordering::AcqRel);
    }

    fn clear(&self, slot: usize) {
        self.bits[slot / BITS].fetch_and(!(1 << (slot % BITS)), Ordering::AcqRel);
    }
}

#[derive(Debug)]
struct SlotWaker {
    woken: Arc<Woken>,
    slot: usize,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.set(self.slot);
        self.woken.worker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{atomic::AtomicUsize, mpsc},
        thread,
        time::Duration,
    };

    use proptest::{prelude::*, sample::Index};

    use super::*;

    /// A worker that counts how often it was woken.
    #[derive(Debug, Default)]
    struct Worker(AtomicUsize);

    impl Worker {
        fn woken(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Wake for Worker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn all_busy(count: usize) -> Slots {
        let mut slots = Slots::new(count);
        assert!((0..count).all(|slot| slots.acquire() == Some(slot)));
        slots
    }

    fn woken(slots: &mut Slots) -> Vec<usize> {
        let mut into = Vec::new();
        slots.take_woken(&mut into);
        into
    }

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn a_slot_is_handed_out_until_it_is_released() {
        let mut slots = Slots::new(2);
        assert_eq!((slots.capacity(), slots.busy()), (2, 0));
        assert_eq!([slots.acquire(), slots.acquire(), slots.acquire()], [Some(0), Some(1), None]);
        assert_eq!((slots.busy(), slots.is_busy(0), slots.is_busy(1)), (2, true, true));
        slots.release(0);
        slots.release(0);
        assert_eq!((slots.busy(), slots.is_busy(0), slots.is_busy(1)), (1, false, true));
        assert_eq!([slots.acquire(), slots.acquire()], [Some(0), None], "released twice is free once");
    }

    #[test]
    fn a_set_without_slots_has_none_to_give() {
        let mut slots = Slots::new(0);
        assert_eq!((slots.acquire(), slots.capacity()), (None, 0));
        assert_eq!(slots.next_deadline(), None);
        assert!(woken(&mut slots).is_empty());
    }

    #[test]
    fn a_wake_notes_the_slot_and_wakes_the_worker() {
        let worker = Arc::new(Worker::default());
        let mut slots = all_busy(130);
        for (woken_before, slot) in [0, 63, 64, 127, 128, 129].into_iter().enumerate() {
            slots.register(&Waker::from(Arc::clone(&worker)));
            assert_eq!(worker.woken(), woken_before);
            slots.waker(slot).wake_by_ref();
            assert_eq!(worker.woken(), woken_before + 1);
            assert_eq!(woken(&mut slots), [slot]);
        }
        slots.register(&Waker::from(Arc::clone(&worker)));
        let waker = slots.waker(5).clone();
        waker.wake();
        assert_eq!(worker.woken(), 7, "by value as by reference");
        slots.register(&Waker::from(Arc::clone(&worker)));
        slots.mark(65);
        slots.mark(65);
        assert_eq!(worker.woken(), 7, "the worker need not wake itself");
        let mut into = vec![99];
        slots.take_woken(&mut into);
        assert_eq!(into, [99, 5, 65], "appended, and each once");
        assert!(woken(&mut slots).is_empty());
    }

    #[test]
    fn the_wake_of_an_earlier_run_is_forgotten() {
        let mut slots = all_busy(70);
        slots.waker(3).wake_by_ref();
        slots.waker(64).wake_by_ref();
        slots.waker(65).wake_by_ref();
        slots.release(65);
        slots.waker(65).wake_by_ref();
        assert_eq!(slots.acquire(), Some(65));
        assert_eq!(woken(&mut slots), [3, 64], "those of others stay");
        slots.release(3);
        slots.waker(3).wake_by_ref();
        assert!(woken(&mut slots).is_empty(), "a free slot is not to be polled");
    }

    #[test]
    fn the_deadline_of_an_earlier_run_is_forgotten() {
        let mut slots = Slots::new(2);
        assert_eq!([slots.acquire(), slots.acquire()], [Some(0), Some(1)]);
        slots.arm(0, at(10));
        slots.arm(1, at(20));
        slots.release(0);
        assert_eq!(slots.expired(at(15)), None, "while it is free");
        assert_eq!(slots.next_deadline(), Some(at(20)));
        slots.release(1);
        assert_eq!([slots.acquire(), slots.acquire()], [Some(1), Some(0)]);
        assert_eq!(slots.expired(at(25)), None, "while it is busy with another run");
        slots.arm(1, at(30));
        assert_eq!(
            [slots.expired(at(29)), slots.expired(at(30)), slots.expired(at(30))],
            [None, Some(1), None]
        );
        assert_eq!(slots.next_deadline(), None);
    }

    #[test]
    fn arming_again_replaces_the_deadline() {
        let mut slots = Slots::new(1);
        assert_eq!(slots.acquire(), Some(0));
        slots.arm(0, at(10));
        slots.arm(0, at(20));
        assert_eq!(slots.expired(at(19)), None);
        assert_eq!([slots.expired(at(20)), slots.expired(at(20))], [Some(0), None]);
    }

    #[test]
    fn one_long_run_does_not_pile_up_the_deadlines_behind_it() {
        let mut slots = Slots::new(4);
        let capacity = slots.deadlines.capacity();
        assert_eq!([slots.acquire(), slots.acquire()], [Some(0), Some(1)]);
        slots.arm(0, at(0));
        for run in 1..8 {
            assert_eq!(slots.deadlines.len(), run, "cleared only when there are too many");
            slots.arm(1, at(0));
            slots.release(1);
            assert_eq!(slots.acquire(), Some(1));
        }
        for _ in 0..1_000 {
            slots.arm(1, at(0));
            assert!(slots.deadlines.len() <= 8);
            slots.release(1);
            assert_eq!(slots.acquire(), Some(1));
        }
        assert_eq!(slots.deadlines.capacity(), capacity, "nothing was allocated");
        assert_eq!([slots.expired(at(0)), slots.expired(at(0))], [Some(0), None]);
    }

    /// A worker that sleeps on a channel: an overslept wake is a failure and not a hang.
    #[derive(Debug)]
    struct Bell(mpsc::Sender<()>);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            // The worker is gone once it has seen all it waits for.
            _ = self.0.send(());
        }
    }

    #[test]
    fn wakes_from_other_threads_are_never_lost() {
        const THREADS: usize = 3;
        const ROUNDS: usize = 500;
        let mut slots = all_busy(64 + THREADS);
        let (bell, rung) = mpsc::channel();
        let worker = Waker::from(Arc::new(Bell(bell)));
        thread::scope(|scope| {
            let mut seen: Vec<(mpsc::Sender<()>, usize)> = Vec::new();
            for thread in 0..THREADS {
                // The slots lie on both sides of a word's border.
                let waker = slots.waker(62 + thread).clone();
                let (sender, taken) = mpsc::channel();
                seen.push((sender, 0));
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        waker.wake_by_ref();
                        // Each wake must be seen before the next: none can hide behind another of its slot.
                        if taken.recv().is_err() {
                            break;
                        }
                    }
                });
            }
            let mut into = Vec::new();
            while seen.iter().any(|&(_, times)| times < ROUNDS) {
                slots.register(&worker);
                slots.take_woken(&mut into);
                if into.is_empty() {
                    assert_eq!(rung.recv_timeout(Duration::from_secs(10)), Ok(()), "a wake was lost");
                }
                for slot in into.drain(..) {
                    let (sender, times) = &mut seen[slot - 62];
                    *times += 1;
                    _ = sender.send(());
                }
            }
            assert!(seen.iter().all(|&(_, times)| times == ROUNDS), "no wake is seen twice");
        });
    }

    #[derive(Debug, Clone)]
    enum Step {
        Acquire,
        /// A busy slot and now and then a free one.
        Release(Index),
        Wake(Index),
        Mark(Index),
        Take,
        /// A busy slot, so long after the last deadline.
        Arm(Index, u64),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Acquire),
            3 => any::<Index>().prop_map(Step::Release),
            3 => any::<Index>().prop_map(Step::Wake),
            1 => any::<Index>().prop_map(Step::Mark),
            2 => Just(Step::Take),
            6 => (any::<Index>(), 0..4_u64).prop_map(|(index, later)| Step::Arm(index, later)),
            3 => (0..6_u64).prop_map(Step::Advance),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn slots_are_a_set_of_runs(
            count in prop_oneof![0..4_usize, 60..70_usize, 125..140_usize],
            first in 0..140_usize,
            steps in prop::collection::vec(step(), 0..150),
        ) {
            let mut slots = Slots::new(count);
            let worker = Arc::new(Worker::default());
            let (mut busy, mut noted) = (BTreeSet::new(), BTreeSet::new());
            // In the order of arming: at most one for each busy slot.
            let mut deadlines: Vec<(u64, usize)> = Vec::new();
            let (mut now, mut last) = (0, 0);
            // So that the history plays around the borders of words as well.
            let start = first.min(count);
            busy.extend((0..start).filter_map(|_| slots.acquire()));
            prop_assert_eq!(busy.len(), start);
            for step in steps {
                slots.register(&Waker::from(Arc::clone(&worker)));
                let woken_before = worker.woken();
                let mut wakes = 0;
                match step {
                    Step::Acquire => match slots.acquire() {
                        Some(slot) => {
                            prop_assert!(slot < count);
                            prop_assert!(busy.insert(slot), "slot {} was busy", slot);
                            noted.remove(&slot);
                        }
                        None => prop_assert_eq!(busy.len(), count),
                    },
                    Step::Release(_) | Step::Wake(_) | Step::Mark(_) if count == 0 => {}
                    Step::Release(index) => {
                        let slot = index.index(count);
                        slots.release(slot);
                        busy.remove(&slot);
                        deadlines.retain(|&(_, other)| other != slot);
                    }
                    Step::Wake(index) => {
                        let slot = index.index(count);
                        slots.waker(slot).wake_by_ref();
                        noted.insert(slot);
                        wakes = 1;
                    }
                    Step::Mark(index) => {
                        let slot = index.index(count);
                        slots.mark(slot);
                        noted.insert(slot);
                    }
                    Step::Take => {
                        let expected: Vec<_> = noted.intersection(&busy).copied().collect();
                        prop_assert_eq!(woken(&mut slots), expected);
                        noted.clear();
                    }
                    Step::Arm(index, later) => {
                        let Some(&slot) = busy.iter().nth(index.index(busy.len().max(1))) else { continue };
                        last += later;
                        slots.arm(slot, at(last));
                        deadlines.retain(|&(_, other)| other != slot);
                        deadlines.push((last, slot));
                    }
                    Step::Advance(later) => {
                        now += later;
                        let due = deadlines.iter().take_while(|&&(at, _)| at <= now).count();
                        for (_, slot) in deadlines.drain(..due) {
                            prop_assert_eq!(slots.expired(at(now)), Some(slot));
                        }
                        prop_assert_eq!(slots.expired(at(now)), None, "no deadline comes early");
                    }
                }
                prop_assert_eq!(worker.woken(), woken_before + wakes);
                prop_assert_eq!((slots.busy(), slots.capacity()), (busy.len(), count));
                prop_assert!((0..count).all(|slot| slots.is_busy(slot) == busy.contains(&slot)));
                prop_assert!(slots.deadlines.len() <= count * 2, "deadlines are bounded");
                // Asking drops stale deadlines: it must not be what keeps them bounded.
                if now % 2 == 0 {
                    prop_assert_eq!(slots.next_deadline(), deadlines.first().map(|&(nanos, _)| at(nanos)));
                }
            }
        }
    }
}
