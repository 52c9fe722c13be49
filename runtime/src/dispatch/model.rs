//! Lanes, slots, retry clock and watermark together: a tiny synchronous worker over random histories.
//!
//! The worker has the shape of the real one without its I/O. What it does is written into a record as it happens,
//! and the promises are asserted on the record, which knows nothing of the four parts: no loss, no early settle, key
//! order, at most `HELD` held, and that a retrying key delays no other key.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

use proptest::{prelude::*, sample::Index};

use super::{
    lanes::Lanes,
    retry::{RetryClock, delay},
    slots::Slots,
    watermark::Watermark,
};
use crate::{clock::Moment, policy::Backoff};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_promises_hold_over_any_history(steps in prop::collection::vec(step(), 0..120)) {
        let mut worker = Worker::new();
        for step in steps {
            worker.step(step);
            worker.check();
        }
        worker.finish_everything();
        worker.check();
        worker.check_that_nothing_is_lost();
    }
}

#[test]
fn as_many_keys_in_back_off_as_there_are_slots_do_not_stop_another() {
    let mut worker = Worker::new();
    for key in 0..3 {
        worker.step(Step::Publish {
            key: Some(key),
            to: 0,
            hole: 0,
            script: Script { failures: 9, ..Script::default() },
        });
    }
    assert_eq!(worker.slots.busy(), SLOTS);
    for slot in 0..SLOTS {
        worker.finish(slot);
    }
    worker.pump();
    assert_eq!((worker.slots.busy(), worker.retries.len()), (0, SLOTS), "a sleeper gives its slot back");
    worker.step(Step::Publish { key: Some(3), to: 0, hole: 0, script: Script::default() });
    worker.step(Step::Publish { key: Some(0), to: 0, hole: 0, script: Script::default() });
    assert_eq!(worker.slots.busy(), 1, "another key runs at once; the same one waits for its retry");
    worker.check();
}

const SLOTS: usize = 3;
const HELD: usize = 8;
const GAP: u64 = 12;
const ATTEMPTS: u32 = 4;
const TIMEOUT: Duration = Duration::from_nanos(40);
const BACKOFF: Backoff =
    Backoff { min: Duration::from_nanos(6), max: Duration::from_nanos(20), jitter: true };
const PARTITIONS: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// A message comes into its partition's backlog: its key's, or `to` when it has none.
    Publish {
        key: Option<u8>,
        to: usize,
        hole: u64,
        script: Script,
    },
    /// A running attempt gets its result: this one of those that run.
    Finish(Index),
    /// A waker is used that nobody expects, be its slot busy or free.
    Spurious(Index),
    Advance(u64),
    /// A partition is lost and assigned again.
    Revoke(usize),
}

/// How a message's attempts go.
#[derive(Debug, Clone, Copy, Default)]
struct Script {
    /// So many fail, and the next one succeeds.
    failures: u32,
    /// Whether each has its result at its first poll, without a wake.
    instant: bool,
    /// For the jitter.
    random: u32,
}

fn step() -> impl Strategy<Value = Step> {
    let script =
        (0..6_u32, prop::bool::weighted(0.2), any::<u32>()).prop_map(|(failures, instant, random)| {
            // Half of the messages succeed the first time.
            Script { failures: failures.saturating_sub(2), instant, random }
        });
    let publish = (prop::option::weighted(0.8, 0..5_u8), 0..PARTITIONS, 0..4_u64, script);
    prop_oneof![
        8 => publish.prop_map(|(key, to, hole, script)| Step::Publish { key, to, hole, script }),
        8 => any::<Index>().prop_map(Step::Finish),
        2 => any::<Index>().prop_map(Step::Spurious),
        4 => (0..30_u64).prop_map(Step::Advance),
        1 => (0..PARTITIONS).prop_map(Step::Revoke),
    ]
}

/// The worker, as small as it can be, and the record of what it did.
#[derive(Debug)]
struct Worker {
    now: Moment,
    slots: Slots,
    lanes: Lanes,
    retries: RetryClock,
    marks: [Watermark; PARTITIONS],
    /// By id.
    held: Vec<Option<Held>>,
    vacant: Vec<u32>,
    runnable: VecDeque<u32>,
    /// By slot: who runs there, and whether its attempt has a result that was not polled yet.
    running: [Option<Running>; SLOTS],
    waker: Waker,
    /// What the broker has for each partition and did not deliver yet: indexes of messages.
    backlog: [VecDeque<usize>; PARTITIONS],

    messages: Vec<Message>,
    /// Whatever was taken, in order.
    arrivals: Vec<Arrival>,
    /// By partition: how far the broker may forget.
    committed: [u64; PARTITIONS],
    revoked: bool,
}

#[derive(Debug)]
struct Held {
    arrival: usize,
    ticket: u64,
    attempt: u32,
}

#[derive(Debug)]
struct Running {
    id: u32,
    done: bool,
}

#[derive(Debug)]
struct Message {
    partition: usize,
    position: u64,
    key: Option<u8>,
    script: Script,
    /// How often it was settled, under whatever assignment.
    settled: u32,
}

#[derive(Debug)]
struct Arrival {
    id: u32,
    message: usize,
    generation: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waits,
    Runs { slot: usize, until: Moment },
    Sleeps { until: Moment },
    Settled,
    GivenBack,
}

impl State {
    fn is_held(self) -> bool {
        !matches!(self, Self::Settled | Self::GivenBack)
    }
}

impl Worker {
    fn new() -> Self {
        Self {
            now: Moment::default(),
            slots: Slots::new(SLOTS),
            lanes: Lanes::with_capacity(HELD),
            retries: RetryClock::with_capacity(HELD),
            marks: [Watermark::new(0), Watermark::new(0)],
            held: (0..HELD).map(|_| None).collect(),
            vacant: (0..).take(HELD).collect(),
            runnable: VecDeque::new(),
            running: [const { None }; SLOTS],
            waker: Waker::from(Arc::new(Nobody)),
            backlog: Default::default(),
            messages: Vec::new(),
            arrivals: Vec::new(),
            committed: [0; PARTITIONS],
            revoked: false,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish { key, to, hole, script } => {
                let partition = key.map_or(to, |key| usize::from(key) % PARTITIONS);
                let last = self.messages.iter().rev().find(|message| message.partition == partition);
                let position = last.map_or(hole, |last| last.position + 1 + hole);
                self.backlog[partition].push_back(self.messages.len());
                self.messages.push(Message { partition, position, key, script, settled: 0 });
            }
            Step::Finish(index) => {
                let busy: Vec<_> = (0..SLOTS).filter(|&slot| self.running[slot].is_some()).collect();
                if !busy.is_empty() {
                    self.finish(*index.get(&busy));
                }
            }
            Step::Spurious(index) => self.slots.waker(index.index(SLOTS)).wake_by_ref(),
            Step::Advance(nanos) => self.now = self.now + Duration::from_nanos(nanos),
            Step::Revoke(partition) => self.revoke(partition),
        }
        self.pump();
    }

    /// The attempt in this slot gets its result, as a future does: it wakes its waker.
    fn finish(&mut self, slot: usize) {
        if let Some(running) = &mut self.running[slot] {
            running.done = true;
            self.slots.waker(slot).wake_by_ref();
        }
    }

    /// One pass of the worker, until there is nothing to do.
    fn pump(&mut self) {
        let mut woken = Vec::new();
        loop {
            let mut progress = false;
            self.slots.register(&self.waker);
            while let Some(slot) = self.slots.expired(self.now) {
                self.ended(slot, false);
                progress = true;
            }
            self.slots.take_woken(&mut woken);
            for slot in woken.drain(..) {
                // Without a result the wake was spurious, or the attempt has just begun.
                let Some(Running { id, done: true }) = self.running[slot] else { continue };
                let succeeds = self.attempt(id) > self.message(id).script.failures;
                self.ended(slot, succeeds);
                progress = true;
            }
            while let Some(id) = self.retries.wake(self.now) {
                let State::Sleeps { until } = self.state(id) else { panic!("{id} woke and did not sleep") };
                assert!(until <= self.now, "{id} woke early");
                self.set(id, State::Waits);
                self.runnable.push_back(id);
            }
            for partition in 0..PARTITIONS {
                while self.may_take(partition) {
                    self.take(partition);
                }
            }
            while !self.runnable.is_empty()
                && let Some(slot) = self.slots.acquire()
            {
                self.start(slot);
                progress = true;
            }
            if !progress {
                return;
            }
        }
    }

    fn may_take(&self, partition: usize) -> bool {
        let Some(&message) = self.backlog[partition].front() else { return false };
        let mark = &self.marks[partition];
        let first = mark.floor().filter(|_| mark.unsettled() > 0);
        !self.vacant.is_empty() && first.is_none_or(|first| self.messages[message].position - first <= GAP)
    }

    fn take(&mut self, partition: usize) {
        let (Some(id), Some(message)) = (self.vacant.pop(), self.backlog[partition].pop_front()) else {
            return;
        };
        let Message { position, key, .. } = self.messages[message];
        let ticket = self.marks[partition].take(position);
        self.held[id as usize] = Some(Held { arrival: self.arrivals.len(), ticket, attempt: 0 });
        let generation = self.marks[partition].generation();
        self.arrivals.push(Arrival { id, message, generation, state: State::Waits });
        let Some(key) = key else {
            self.lanes.arrive_alone(id);
            self.runnable.push_back(id);
            return;
        };
        // Two hashes for five keys.
        let (held, arrivals, messages) = (&self.held, &self.arrivals, &self.messages);
        let same = |head: u32| {
            let head = held[head as usize].as_ref().map(|head| messages[arrivals[head.arrival].message].key);
            head == Some(Some(key))
        };
        if self.lanes.arrive(id, u64::from(key % 2), same) {
            self.runnable.push_back(id);
        }
    }

    fn start(&mut self, slot: usize) {
        let Some(id) = self.runnable.pop_front() else { panic!("nobody is runnable") };
        assert_eq!(self.state(id), State::Waits, "{id} starts");
        assert!(
            !self.others_before(self.arrival(id)),
            "{id} starts before an earlier one of its key is settled"
        );
        assert!(self.running[slot].is_none(), "slot {slot} was busy");
        self.running[slot] = Some(Running { id, done: self.message(id).script.instant });
        let until = self.now + TIMEOUT;
        self.set(id, State::Runs { slot, until });
        if let Some(held) = &mut self.held[id as usize] {
            held.attempt += 1;
        }
        self.slots.arm(slot, until);
        self.slots.mark(slot);
    }

    /// An attempt is over, with success or without; a timeout is without.
    fn ended(&mut self, slot: usize, success: bool) {
        let Some(Running { id, done }) = self.running[slot].take() else { panic!("slot {slot} was free") };
        let State::Runs { slot: runs_in, until } = self.state(id) else { panic!("{id} did not run") };
        assert_eq!(runs_in, slot);
        assert!(done || until <= self.now, "{id} was cut off early");
        self.slots.release(slot);
        let (attempt, current) = (self.attempt(id), self.is_current(id));
        // The last failure becomes a dead letter, which settles the delivery as well.
        if success || attempt == ATTEMPTS {
            self.leave(id, State::Settled);
        } else if current {
            let delay = delay(&BACKOFF, attempt, self.message(id).script.random);
            let full = BACKOFF.max.min(BACKOFF.min * 2_u32.pow(attempt - 1));
            assert!(full / 2 <= delay && delay <= full, "{delay:?} of {full:?}");
            let until = self.now + delay;
            self.retries.sleep(id, until);
            self.set(id, State::Sleeps { until });
        } else {
            self.leave(id, State::GivenBack);
        }
    }

    fn leave(&mut self, id: u32, state: State) {
        let (arrival, current) = (self.arrival(id), self.is_current(id));
        self.set(id, state);
        let Some(held) = self.held[id as usize].take() else { panic!("{id} is not held") };
        self.vacant.push(id);
        let message = &mut self.messages[self.arrivals[arrival].message];
        if state == State::Settled {
            message.settled += 1;
            if current {
                self.marks[message.partition].settle(held.ticket);
            }
        }
        if let Some(head) = self.lanes.remove(id) {
            self.runnable.push_back(head);
        }
    }

    /// Who waits or sleeps is given back, from whatever place; who runs goes on under a generation that is over.
    fn revoke(&mut self, partition: usize) {
        self.revoked = true;
        for id in (0..).take(HELD) {
            if self.held[id as usize].is_none() || self.message(id).partition != partition {
                continue;
            }
            let state = self.state(id);
            if matches!(state, State::Runs { .. }) {
                continue;
            }
            assert_eq!(self.retries.cancel(id), matches!(state, State::Sleeps { .. }), "{id} is {state:?}");
            self.leave(id, State::GivenBack);
            self.runnable.retain(|&other| other != id);
        }
        let mark = &mut self.marks[partition];
        self.committed[partition] = mark.floor().unwrap_or(self.committed[partition]);
        *mark = Watermark::new(mark.generation() + 1);
        let again = self.messages.iter().enumerate().filter(|(_, message)| {
            message.partition == partition && message.position >= self.committed[partition]
        });
        self.backlog[partition] = again.map(|(index, _)| index).collect();
    }

    /// Lets every attempt end and all time pass.
    fn finish_everything(&mut self) {
        // Each round ends at least one attempt, and every message has few.
        for _ in 0..(self.arrivals.len() + self.messages.len() + 1) * 10 {
            if let Some(slot) = (0..SLOTS).find(|&slot| self.running[slot].is_some()) {
                self.finish(slot);
            } else if let Some(due) = self.retries.next() {
                self.now = due;
            } else {
                return;
            }
            self.pump();
        }
        panic!("the worker does not come to an end");
    }

    fn check(&mut self) {
        let states = || self.arrivals.iter().map(|arrival| arrival.state);
        let held = states().filter(|state| state.is_held()).count();
        assert!(held <= HELD, "{held} held");
        assert_eq!((self.lanes.len(), self.lanes.is_empty()), (held, held == 0));
        let running = states().filter(|state| matches!(state, State::Runs { .. })).count();
        assert_eq!(self.slots.busy(), running);
        let is_done = |running: &Option<Running>| running.as_ref().is_some_and(|running| running.done);
        assert!(!self.running.iter().any(is_done), "a result was not polled");
        let sleeping = states().filter_map(|state| match state {
            State::Sleeps { until } => Some(until),
            State::Waits | State::Runs { .. } | State::Settled | State::GivenBack => None,
        });
        assert_eq!(self.retries.len(), sleeping.clone().count());
        let due = sleeping.min();
        assert_eq!(self.retries.next(), due);
        assert!(due.is_none_or(|due| due > self.now), "a sleeper overslept");
        let deadline = states().filter_map(|state| match state {
            State::Runs { until, .. } => Some(until),
            State::Waits | State::Sleeps { .. } | State::Settled | State::GivenBack => None,
        });
        let deadline = deadline.min();
        assert_eq!(self.slots.next_deadline(), deadline);
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "an attempt is over time");
        for (index, arrival) in
            self.arrivals.iter().enumerate().filter(|(_, arrival)| arrival.state.is_held())
        {
            let before = self.others_before(index);
            assert_eq!(self.lanes.is_head(arrival.id), !before, "each lane has one head");
            // This is also what 'a retrying key delays no other key' means: no sleeper is among the excuses.
            let excused = before || running == SLOTS;
            assert!(arrival.state != State::Waits || excused, "{} waits for nothing", arrival.id);
        }
        for partition in 0..PARTITIONS {
            self.check_partition(partition, held);
        }
    }

    fn check_partition(&mut self, partition: usize, held: usize) {
        let mark = &self.marks[partition];
        let position = |arrival: &Arrival| self.messages[arrival.message].position;
        let taken = self.arrivals.iter().filter(|arrival| {
            self.messages[arrival.message].partition == partition && arrival.generation == mark.generation()
        });
        let lowest = taken.clone().filter(|arrival| arrival.state != State::Settled).map(position).min();
        let highest = taken.clone().map(position).max();
        assert_eq!(mark.floor(), lowest.or(highest.map(|highest| highest + 1)));
        assert!(mark.gap() <= GAP);
        let floor = mark.floor().unwrap_or(self.committed[partition]);
        assert!(floor >= self.committed[partition], "the floor fell");
        self.committed[partition] = floor;
        for message in self.messages.iter().filter(|message| message.partition == partition) {
            assert!(message.settled > 0 || message.position >= floor, "{message:?} is settled early");
        }
        if let Some(&next) = self.backlog[partition].front() {
            let far = lowest.is_some_and(|lowest| self.messages[next].position - lowest > GAP);
            assert!(held == HELD || far, "intake pauses at a limit only");
        }
    }

    fn check_that_nothing_is_lost(&self) {
        assert!(self.lanes.is_empty() && self.retries.len() == 0 && self.runnable.is_empty());
        for message in &self.messages {
            assert!(message.settled > 0, "{message:?} is lost");
            assert!(message.settled == 1 || self.revoked, "{message:?} is settled twice");
            assert!(message.position < self.committed[message.partition], "{message:?} stays uncommitted");
        }
    }

    /// Whether an earlier arrival of the same key is still held.
    fn others_before(&self, arrival: usize) -> bool {
        let key = self.messages[self.arrivals[arrival].message].key;
        let same = |other: &Arrival| other.state.is_held() && self.messages[other.message].key == key;
        key.is_some() && self.arrivals[..arrival].iter().any(same)
    }

    fn attempt(&self, id: u32) -> u32 {
        self.held[id as usize].as_ref().map_or(0, |held| held.attempt)
    }

    fn arrival(&self, id: u32) -> usize {
        let Some(held) = &self.held[id as usize] else { panic!("{id} is not held") };
        held.arrival
    }

    fn message(&self, id: u32) -> &Message {
        &self.messages[self.arrivals[self.arrival(id)].message]
    }

    /// Whether its partition was not lost since it was taken.
    fn is_current(&self, id: u32) -> bool {
        self.arrivals[self.arrival(id)].generation == self.marks[self.message(id).partition].generation()
    }

    fn state(&self, id: u32) -> State {
        self.arrivals[self.arrival(id)].state
    }

    fn set(&mut self, id: u32, state: State) {
        let arrival = self.arrival(id);
        self.arrivals[arrival].state = state;
    }
}

/// The worker is pumped by hand.
#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}
