//! What the tests share: events, what handlers write down, where they wait, and names for brokers.
//!
//! Nothing here sleeps in order to wait for something that is announced: [`Seen::reached`], [`Gate::crowd`] and
//! [`caught_up`] complete when it has happened. Under a paused clock, what never happens fails at once: nothing is left
//! to wait for then but the hour of [`patiently`].
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

pub mod carrier;
pub mod log;
pub mod quiet;
pub mod taker;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::Instant};
use typebus::{Bus, DeadLetter, Event, Failure, GroupStats, Running, Service};

/// An order; the key is its customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = customer)]
pub struct Placed {
    /// Counts up per test.
    pub number: u64,
    /// Who ordered.
    pub customer: String,
}

/// The other event of the topic of [`Placed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.cancelled", key = customer)]
pub struct Cancelled {
    /// Which order.
    pub number: u64,
    /// Whose it was.
    pub customer: String,
}

/// A payment; the only event of its topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.payments", name = "payment.made", key = customer)]
pub struct Paid {
    /// Which order.
    pub number: u64,
    /// Who paid; no key without one.
    pub customer: Option<String>,
}

/// A parcel; it has no key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.parcels", name = "parcel.sent")]
pub struct Shipped {
    /// Which order.
    pub number: u64,
}

/// An invoice, which says itself which fact it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.invoices", name = "invoice.written", id = invoice)]
pub struct Invoiced {
    /// The invoice's own number.
    pub invoice: String,
}

/// Work to do, with what becomes of each attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "work.jobs", name = "job", key = key)]
pub struct Job {
    /// Counts up per test.
    pub number: u32,
    /// What it is ordered by.
    pub key: Option<String>,
    /// The nth attempt does the nth; those after the last succeed.
    pub does: Vec<Does>,
}

/// What an attempt at a [`Job`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Does {
    /// Succeeds at once.
    Well,
    /// Succeeds after so many milliseconds.
    Take(u64),
    /// Fails, and means retry.
    Fail,
    /// Fails, and says after how many milliseconds to retry.
    FailFor(u64),
    /// Takes so many milliseconds, then fails, and means retry.
    FailIn(u64),
    /// Fails, and means the dead letter.
    Bury,
    /// Fails, and means discard.
    Drop,
    /// Panics.
    Panic,
    /// Never ends.
    Hang,
}

impl Job {
    /// A job of this key that always succeeds at once.
    #[must_use]
    pub fn of(key: &str, number: u32) -> Self {
        Self { number, key: Some(key.to_owned()), does: Vec::new() }
    }

    /// The same with what its attempts do.
    #[must_use]
    pub fn does(self, does: impl Into<Vec<Does>>) -> Self {
        Self { does: does.into(), ..self }
    }

    /// Does what the attempt is to do.
    ///
    /// # Errors
    /// As the job says.
    ///
    /// # Panics
    /// As the job says.
    pub async fn attempt(&self, number: u32) -> Result<(), Failure> {
        let nth = usize::try_from(number).unwrap() - 1;
        match self.does.get(nth).copied().unwrap_or(Does::Well) {
            Does::Well => Ok(()),
            Does::Take(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(())
            }
            Does::Fail => Err(Failure::retry("failed")),
            Does::FailFor(millis) => Err(Failure::retry_after(Duration::from_millis(millis), "failed")),
            Does::FailIn(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Err(Failure::retry("failed"))
            }
            Does::Bury => Err(Failure::dead_letter("hopeless")),
            Does::Drop => Err(Failure::discard("not needed")),
            Does::Panic => panic!("as it was told"),
            Does::Hang => std::future::pending().await,
        }
    }
}

/// What handlers saw, in the order of seeing. Clones share it.
#[derive(Debug)]
pub struct Seen<T>(Arc<watch::Sender<Vec<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl<T: Clone> Seen<T> {
    /// Adds one.
    pub fn push(&self, item: T) {
        self.0.send_modify(|seen| seen.push(item));
    }

    /// Everything so far.
    #[must_use]
    pub fn all(&self) -> Vec<T> {
        self.0.borrow().clone()
    }

    /// Everything so far, sorted.
    #[must_use]
    pub fn sorted(&self) -> Vec<T>
    where
        T: Ord,
    {
        let mut all = self.all();
        all.sort();
        all
    }

    /// How many so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Completes when there are at least so many; gives everything.
    ///
    /// # Panics
    /// There never are.
    pub async fn reached(&self, count: usize) -> Vec<T> {
        let mut seen = self.0.subscribe();
        patiently(seen.wait_for(|seen| seen.len() >= count)).await.unwrap().clone()
    }
}

/// Where handlers wait until a test lets them go on. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<watch::Sender<AtGate>>);

#[derive(Debug, Default)]
struct AtGate {
    waiting: usize,
    open: bool,
}

impl Gate {
    /// Waits until it is open.
    ///
    /// # Panics
    /// Never: the gate holds its own sender.
    pub async fn pass(&self) {
        let mut state = self.0.subscribe();
        self.0.send_modify(|state| state.waiting += 1);
        let _leaving = Leaving(self);
        state.wait_for(|state| state.open).await.unwrap();
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// How many wait. A future that is dropped waits no longer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.borrow().waiting
    }

    /// Completes when exactly so many wait.
    ///
    /// # Panics
    /// They never do.
    pub async fn crowd(&self, count: usize) {
        let mut state = self.0.subscribe();
        patiently(state.wait_for(|state| state.waiting == count)).await.unwrap();
    }
}

struct Leaving<'a>(&'a Gate);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.waiting -= 1);
    }
}

/// What happened to jobs, and when. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Journal(Seen<Mark>);

/// One attempt at a job began or ended.
#[derive(Debug, Clone)]
pub struct Mark {
    /// The job.
    pub number: u32,
    /// Its key.
    pub key: Option<String>,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When, by tokio's clock.
    pub at: Instant,
    /// Whether it began; else it ended, by whatever.
    pub began: bool,
}

impl Journal {
    /// Does what the job says for this attempt, and writes down when it began and ended, even if it is dropped.
    ///
    /// # Errors
    /// As the job says.
    pub async fn run(&self, job: &Job, attempt: u32) -> Result<(), Failure> {
        let mark =
            |began| Mark { number: job.number, key: job.key.clone(), attempt, at: Instant::now(), began };
        self.0.push(mark(true));
        let _end = AtEnd(|| self.0.push(mark(false)));
        job.attempt(attempt).await
    }

    /// Everything so far.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        self.0.all()
    }

    /// Completes when so many attempts have begun.
    ///
    /// # Panics
    /// They never do.
    pub async fn begun(&self, count: usize) {
        let mut marks = self.0.0.subscribe();
        let begun = |marks: &Vec<Mark>| marks.iter().filter(|mark| mark.began).count() >= count;
        patiently(marks.wait_for(begun)).await.unwrap();
    }

    /// Job and attempt of everything that began, in that order.
    #[must_use]
    pub fn beginnings(&self) -> Vec<(u32, u32)> {
        let began = self.marks().into_iter().filter(|mark| mark.began);
        began.map(|mark| (mark.number, mark.attempt)).collect()
    }

    /// When the attempts at a job began.
    #[must_use]
    pub fn moments(&self, number: u32) -> Vec<Instant> {
        let began = self.marks().into_iter().filter(|mark| mark.began && mark.number == number);
        began.map(|mark| mark.at).collect()
    }

    /// How long passed from each failed attempt of a job to the next.
    #[must_use]
    pub fn delays(&self, number: u32) -> Vec<Duration> {
        let marks: Vec<Mark> = self.marks().into_iter().filter(|mark| mark.number == number).collect();
        let pairs = marks.windows(2).filter(|pair| !pair[0].began && pair[1].began);
        pairs.map(|pair| pair[1].at - pair[0].at).collect()
    }

    /// The most attempts that ever ran at once.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        let (mut now, mut most) = (0_usize, 0);
        for mark in self.marks() {
            now = if mark.began { now + 1 } else { now - 1 };
            most = most.max(now);
        }
        most
    }

    /// The promise of key order: of one key nothing begins before everything earlier is done with. Jobs of one key
    /// must have been published with rising numbers. Returns the jobs of each key, in their order.
    ///
    /// # Panics
    /// It was broken.
    pub fn assert_key_order(&self) -> BTreeMap<String, Vec<u32>> {
        self.lanes(false)
    }

    /// The same over instances that come and go: whoever takes a key over may begin the last job again.
    ///
    /// # Panics
    /// It was broken.
    pub fn assert_key_order_over_instances(&self) -> BTreeMap<String, Vec<u32>> {
        self.lanes(true)
    }

    /// What remains of key order where a batch that failed is run again item by item: no two of a key run at once, and
    /// the last run of each comes after the last run of everything earlier.
    ///
    /// # Panics
    /// It was broken.
    pub fn assert_key_order_of_batches(&self) -> BTreeMap<String, Vec<u32>> {
        let mut lanes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut running: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        for mark in self.marks() {
            let (Some(key), run) = (&mark.key, (mark.number, mark.attempt)) else { continue };
            if !mark.began {
                assert_eq!(running.remove(key), Some(run), "{mark:?} ended without having begun");
                continue;
            }
            let other = running.insert(key.clone(), run);
            assert_eq!(other, None, "{mark:?} began while another of its key ran");
            let lane = lanes.entry(key.clone()).or_default();
            lane.retain(|number| *number != mark.number);
            lane.push(mark.number);
        }
        for (key, lane) in &lanes {
            assert!(lane.is_sorted(), "{key} ended in another order: {lane:?}");
        }
        lanes
    }

    fn lanes(&self, anew: bool) -> BTreeMap<String, Vec<u32>> {
        let mut lanes: BTreeMap<String, Lane> = BTreeMap::new();
        for mark in self.marks() {
            let Some(key) = &mark.key else { continue };
            lanes.entry(key.clone()).or_default().note(&mark, anew);
        }
        lanes.into_iter().map(|(key, lane)| (key, lane.done)).collect()
    }
}

/// What ran of one key.
#[derive(Default)]
struct Lane {
    running: Option<(u32, u32)>,
    done: Vec<u32>,
    attempt: u32,
}

impl Lane {
    fn note(&mut self, mark: &Mark, anew: bool) {
        let Mark { number, attempt, .. } = *mark;
        if !mark.began {
            assert_eq!(self.running.take(), Some((number, attempt)), "{mark:?} ended without having begun");
            return;
        }
        assert_eq!(self.running, None, "{mark:?} began while another of its key ran");
        match self.done.last() {
            Some(last) if *last == number => {
                // Attempts are carried along, but not out of a crash; the one that was cut off was not spent.
                let is_again = attempt == 1 || attempt == self.attempt;
                let is_next = attempt == self.attempt + 1 || (anew && is_again);
                assert!(is_next, "{mark:?} came after attempt {}", self.attempt);
            }
            last => {
                assert!(last.is_none_or(|last| *last < number), "{mark:?} came after {last:?}");
                assert_eq!(attempt, 1, "{mark:?} is not the first attempt");
                self.done.push(number);
            }
        }
        (self.running, self.attempt) = (Some((number, attempt)), attempt);
    }
}

struct AtEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The URL of a broker that no other test has.
#[must_use]
pub fn broker() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("memory:test-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The wall clock, which no test pauses.
#[must_use]
pub fn utc_now() -> DateTime<Utc> {
    SystemTime::now().into()
}

/// Under a paused clock an hour is as good as for ever.
pub const FOR_EVER: Duration = Duration::from_secs(3_600);

thread_local! {
    static PATIENCE: Cell<Duration> = const { Cell::new(FOR_EVER) };
}

/// How long [`patiently`] waits on this thread: for ever is too long where time is real.
pub fn be_patient_for(patience: Duration) {
    PATIENCE.set(patience);
}

/// Waits for what must happen by itself.
///
/// # Panics
/// It does not happen.
pub async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE.get(), future).await.expect("it never happened")
}

/// Completes when something holds that nothing announces.
///
/// # Panics
/// It never does.
pub async fn until(mut holds: impl FnMut() -> bool) {
    let holding = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patiently(holding).await;
}

/// Completes when everything published so far is settled by every group of these services.
///
/// # Panics
/// It never is.
pub async fn caught_up(running: &Running) {
    patiently(running.caught_up()).await.unwrap();
}

/// Starts a bus, and completes when everything that was published before is settled.
///
/// # Panics
/// It cannot be started, or never catches up.
pub async fn start<S: Service>(bus: &Bus<S>) -> Running {
    let running = bus.start().await.unwrap();
    caught_up(&running).await;
    running
}

/// The dead letters of a group, oldest first.
///
/// # Panics
/// They cannot be read.
pub async fn letters<S: Service>(bus: &Bus<S>, group: &str) -> Vec<DeadLetter> {
    bus.dead_letters(group).list().collect().await.unwrap()
}

/// The counters of the only subscription.
///
/// # Panics
/// There are several, or none.
#[must_use]
pub fn counts(running: &Running) -> GroupStats {
    let stats = running.stats();
    let [only] = stats.groups() else { panic!("not one subscription: {stats:?}") };
    only.clone()
}

/// How many deliveries of the only subscription ended in which way.
///
/// # Panics
/// There are several subscriptions, or none.
#[must_use]
pub fn ends(running: &Running) -> Ends {
    let GroupStats { handled, discarded, skipped, dead_lettered, .. } = counts(running);
    Ends { handled, discarded, skipped, dead_lettered }
}

/// How deliveries ended; the rest is 0 by `..Ends::NONE`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// By their handler.
    pub handled: u64,
    /// By an outcome that said so.
    pub discarded: u64,
    /// Since they are not the group's.
    pub skipped: u64,
    /// In a dead letter.
    pub dead_lettered: u64,
}

impl Ends {
    /// Nothing has ended.
    pub const NONE: Self = Self { handled: 0, discarded: 0, skipped: 0, dead_lettered: 0 };
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handled, discarded, skipped, dead_lettered } = self;
        write!(
            f,
            "{handled} handled, {discarded} discarded, {skipped} skipped, {dead_lettered} dead-lettered"
        )
    }
}
