//! The loop of one subscription: intake → lanes → attempts → effects → settlement. Compiled once for all handlers.

mod attempts;
mod care;
mod hold;
mod intake;
mod publish;
mod repeats;
mod requests;
mod settle;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hashbrown::DefaultHashBuilder;
use tokio::time::Sleep;

use self::{care::Care, hold::Sighting, repeats::Repeats};
use crate::{
    backend::{Consumer, Delivery, Floor, Note, Outgoing, Partitions, Publishing, Subscription, Token},
    clock::{Clock, Moment},
    dedupe::DedupeStore,
    dispatch::{
        conditions::Conditions,
        effects::{Effect, Effects},
        held::Held,
        lanes::Lanes,
        marks::Marks,
        permits::Permits,
        retry::RetryClock,
        routes::Routes,
        runner::Runner,
        sync::{AtomicU8, AtomicWaker},
    },
    error::Result,
    outlet::Outlet,
    policy::Unhandled,
    tuning::Tuning,
};

/// Rounds of the loop after which other tasks of the thread get their turn.
const ROUNDS: usize = 4;

/// What the bus tells a worker, from any thread.
#[derive(Debug)]
pub(crate) struct Control {
    /// Bits.
    pub(super) wishes: AtomicU8,
    /// By handler of the subscription.
    paused: Box<[AtomicBool]>,
    pub(super) waker: AtomicWaker,
}

const STOP: u8 = 1;
const HURRY: u8 = 2;
const PAUSE: u8 = 4;

impl Control {
    /// For a subscription with so many handlers.
    pub(crate) fn new(handlers: usize) -> Self {
        let paused = (0..handlers).map(|_| AtomicBool::new(false)).collect();
        Self { wishes: AtomicU8::new(0), paused, waker: AtomicWaker::new() }
    }

    /// Drain and close.
    pub(crate) fn stop(&self) {
        self.wish(STOP);
    }

    /// Do not wait for what runs: settle what is done, and close.
    pub(crate) fn hurry(&self) {
        self.wish(STOP | HURRY);
    }

    /// Start no attempt of a handler until it is resumed.
    pub(crate) fn pause(&self, handler: usize, paused: bool) {
        if let Some(flag) = self.paused.get(handler) {
            flag.store(paused, Ordering::Release);
            self.wish(PAUSE);
        }
    }

    pub(crate) fn is_paused(&self, handler: usize) -> bool {
        self.paused.get(handler).is_some_and(|flag| flag.load(Ordering::Acquire))
    }

    fn wish(&self, bits: u8) {
        self.wishes.fetch_or(bits, Ordering::AcqRel);
        self.waker.wake();
    }
}

/// What became of a subscription's deliveries, written by its worker alone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: AtomicU64,
    pub(crate) handled: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) dead_lettered: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) expired: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    received: u64,
    handled: u64,
    discarded: u64,
    skipped: u64,
    dead_lettered: u64,
    repeats: u64,
    retried: u64,
    expired: u64,
}

impl Tally {
    fn store(&self, counters: &Counters) {
        for (value, counter) in [
            (self.received, &counters.received),
            (self.handled, &counters.handled),
            (self.discarded, &counters.discarded),
            (self.skipped, &counters.skipped),
            (self.dead_lettered, &counters.dead_lettered),
            (self.repeats, &counters.repeats),
            (self.retried, &counters.retried),
            (self.expired, &counters.expired),
        ] {
            counter.store(value, Ordering::Release);
        }
    }
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Handled,
    Discarded,
    DeadLettered,
    /// It repeats finished work, and was not run.
    Repeated,
    /// A request for which nobody waits any more; it was not run.
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The consumer has no more; what is held is finished.
    Ending,
    /// What runs may finish until then.
    Draining(Moment),
    /// All is told to the consumer, which closes until then.
    Closing(Moment),
}

/// Partitions that go to another instance as soon as nothing of them runs, or at the deadline.
#[derive(Debug)]
struct Revocation {
    partitions: Partitions,
    deadline: Moment,
}

/// What a worker is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) subscription: Subscription,
    pub(crate) routes: Routes,
    /// Before the consumer: where a worker is dropped, nothing of it may run when others take over.
    pub(crate) runners: Vec<Runner>,
    pub(crate) consumer: Box<dyn Consumer>,
    pub(crate) unhandled: Unhandled,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) control: Arc<Control>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) conditions: Arc<Conditions>,
    /// For handlers with `dedupe`: the store, and which bus asks it.
    pub(crate) dedupe: Option<(Arc<dyn DedupeStore>, Arc<str>)>,
    /// Of the whole process: one suspect at a time.
    pub(crate) gate: Arc<Permits>,
    pub(crate) tuning: Tuning,
}

/// One subscription at work; a future that ends when the bus stops, or with a fatal error.
#[derive(Debug)]
pub(crate) struct Worker {
    setup: Setup,
    phase: Phase,
    /// The consumer has no more, and is not polled again.
    ended: bool,
    held: Held,
    lanes: Lanes,
    marks: Marks,
    retries: RetryClock,
    effects: Effects,
    revocations: Vec<Revocation>,
    /// Replies to requests that were given up, on their way.
    refusals: Vec<Publishing>,
    care: Care,
    /// Nothing asks for care; read once per round.
    calm: bool,
    /// Deliveries may run as they arrive: it is calm, and nothing ends.
    express: bool,
    sightings: Vec<Sighting>,
    repeats: Option<Repeats>,
    tally: Tally,
    max_message: usize,
    hasher: DefaultHashBuilder,
    clock: Clock,
    /// Read once per round.
    now: Moment,
    timer: Pin<Box<Sleep>>,
    armed: Option<Moment>,
    // Buffers that are used again.
    arrived: Vec<Delivery>,
    outgoing: Vec<Outgoing>,
    woken: Vec<usize>,
    finished: Vec<(Effect, Result<()>)>,
    settled: Vec<Token>,
    floors: Vec<Floor>,
    notes: Vec<Note>,
}

impl Worker {
    pub(crate) fn new(setup: Setup) -> Self {
        let limits = setup.subscription.limits;
        let clock = Clock::start();
        Self {
            phase: Phase::Running,
            ended: false,
            held: Held::new(limits),
            lanes: Lanes::with_capacity(limits.held),
            marks: Marks::default(),
            retries: RetryClock::with_capacity(limits.held),
            effects: Effects::new(limits.held),
            revocations: Vec::new(),
            refusals: Vec::new(),
            care: Care::NONE,
            calm: true,
            express: true,
            sightings: Vec::new(),
            repeats: repeats(&setup),
            tally: Tally::default(),
            max_message: setup.outlet.backend.capabilities().max_message,
            hasher: DefaultHashBuilder::default(),
            clock,
            now: clock.now(),
            timer: Box::pin(tokio::time::sleep(Duration::MAX)),
            armed: None,
            arrived: Vec::new(),
            outgoing: Vec::new(),
            woken: Vec::new(),
            finished: Vec::new(),
            settled: Vec::new(),
            floors: Vec::new(),
            notes: Vec::new(),
            setup,
        }
    }

    /// One round: everything that can be done now, in the data's way.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        self.now = self.clock.now();
        let mut progress = self.obey();
        self.calm = self.care.is_none();
        self.express = self.calm && self.phase == Phase::Running;
        progress |= self.intake(cx)?;
        progress |= self.wake_due();
        progress |= self.launch(cx)?;
        progress |= self.poll_woken();
        progress |= self.poll_effects();
        progress |= self.poll_errands();
        self.poll_refusals(cx);
        self.tell();
        progress |= self.revoke();
        Ok(progress)
    }

    fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Ending)
    }

    fn obey(&mut self) -> bool {
        let control = &self.setup.control;
        let wishes = control.wishes.load(Ordering::Acquire);
        if wishes == 0 {
            return false;
        }
        if wishes & PAUSE != 0 {
            control.wishes.fetch_and(!PAUSE, Ordering::AcqRel);
            self.pause();
        }
        let until = if wishes & HURRY != 0 { self.now } else { self.now + self.setup.tuning.drain };
        match self.phase {
            Phase::Running | Phase::Ending if wishes & STOP != 0 => {
                self.phase = Phase::Draining(until);
                self.abandon(&Partitions::All, false);
                true
            }
            Phase::Draining(before) if wishes & HURRY != 0 && before > self.now => {
                self.phase = Phase::Draining(self.now);
                true
            }
            Phase::Running | Phase::Ending | Phase::Draining(_) | Phase::Closing(_) => wishes & PAUSE != 0,
        }
    }

    /// Whether the worker has nothing left to do but to close its consumer.
    fn close_when_done(&mut self) -> bool {
        match self.phase {
            Phase::Draining(until) if self.held.is_empty() || until <= self.now => {
                if !self.held.is_empty() {
                    let unfinished = self.held.len();
                    let (group, topic) = (&self.setup.subscription.group, &self.setup.subscription.filter);
                    tracing::warn!(%group, %topic, unfinished, "the drain is over; what still runs comes again later");
                }
                self.abandon(&Partitions::All, true);
                // Nothing is left of what was asked for, so each revocation has its answer before the consumer leaves.
                self.revoke();
            }
            Phase::Ending if self.held.is_empty() => {}
            _ => return false,
        }
        self.tell();
        self.pass_on();
        self.phase = Phase::Closing(self.now + self.setup.tuning.close);
        true
    }

    /// The next moment at which something happens by itself.
    fn next_moment(&mut self) -> Option<Moment> {
        let deadlines = self.setup.runners.iter_mut().filter_map(|runner| {
            [runner.slots.next_deadline(), runner.batch_due(self.now)].into_iter().flatten().min()
        });
        let phase = match self.phase {
            Phase::Draining(until) | Phase::Closing(until) => Some(until),
            Phase::Running | Phase::Ending => None,
        };
        let revocations = self.revocations.iter().map(|revocation| revocation.deadline);
        // One that is due and has not started waits for what runs, not for a moment.
        let probe = self.care.breaker.next().filter(|probe| *probe > self.now);
        let others = [self.retries.next(), self.effects.next(), phase, probe];
        deadlines.chain(revocations).chain(others.into_iter().flatten()).min()
    }

    /// Arms the one timer; `true` if it has already fired.
    fn arm(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(next) = self.next_moment() else { return false };
        if self.armed.is_none_or(|armed| next < armed || armed <= self.now) {
            self.timer.as_mut().reset(self.clock.instant(next));
            self.armed = Some(next);
        }
        let fired = self.timer.as_mut().poll(cx).is_ready();
        if fired {
            self.armed = None;
        }
        fired
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, until: Moment) -> Poll<Result<()>> {
        let (group, topic) = (&self.setup.subscription.group, &self.setup.subscription.filter);
        if let Poll::Ready(closed) = self.setup.consumer.poll_close(cx) {
            if let Err(error) = &closed {
                tracing::warn!(%group, %topic, %error, "the consumer did not close cleanly; settled deliveries may come again");
            }
            return Poll::Ready(Ok(()));
        }
        self.now = self.clock.now();
        if until <= self.now {
            tracing::warn!(%group, %topic, "the consumer did not close in time; settled deliveries may come again");
            return Poll::Ready(Ok(()));
        }
        if self.arm(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// For a subscription that has a handler with `dedupe`.
fn repeats(setup: &Setup) -> Option<Repeats> {
    setup.runners.iter().find(|runner| runner.policy.dedupe.is_some())?;
    let (store, owner) = setup.dedupe.clone()?;
    Some(Repeats::new(store, owner, setup.subscription.limits.held))
}

impl Future for Worker {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let worker = &mut *self;
        worker.setup.control.waker.register(cx.waker());
        worker.setup.runners.iter().for_each(|runner| runner.slots.register(cx.waker()));
        worker.effects.register(cx.waker());
        worker.repeats.iter().for_each(|repeats| repeats.errands.register(cx.waker()));
        for _ in 0..ROUNDS {
            if let Phase::Closing(until) = worker.phase {
                return worker.poll_close(cx, until);
            }
            let progress = match worker.round(cx) {
                Ok(progress) => progress | worker.close_when_done(),
                Err(error) => return Poll::Ready(Err(error)),
            };
            if !progress && !worker.arm(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
