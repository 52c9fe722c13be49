//! The program under test: events that say what becomes of them, and the services that handle them.

use std::{fmt, sync::Once, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{HandlerError, Outcome, backend::memory::MemoryBackend, prelude::*};

use crate::oracle::{How, Meant, World};

pub(crate) const JOBS: &str = "sim.jobs";
pub(crate) const MADE: &str = "sim.made";

/// Attempts that a handler has.
pub(crate) const ATTEMPTS: usize = 3;
/// Attempts that a handler has at once.
pub(crate) const CONCURRENCY: usize = 4;

/// Something to do, with what each attempt at it does.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "sim.jobs", name = "job", key = key, id = ident)]
pub(crate) struct Job {
    pub(crate) ident: String,
    pub(crate) key: Option<String>,
    /// What the nth attempt of the group `desk` does; those after the last succeed.
    pub(crate) desk: Vec<Act>,
    /// The same of the group `store`.
    pub(crate) store: Vec<Act>,
    /// To make it larger.
    pub(crate) padding: String,
}

/// What the group `desk` makes of a job; the second step of a pipeline.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "sim.made", name = "made", key = key)]
pub(crate) struct Made {
    pub(crate) cause: String,
    /// Which run made it.
    pub(crate) run: usize,
    /// Its place among what the run returned.
    pub(crate) index: usize,
    pub(crate) key: Option<String>,
    pub(crate) store: Vec<Act>,
}

/// One attempt waits, and then ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Act(pub(crate) Wait, pub(crate) Then);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Wait {
    /// It is ready at its first poll.
    No,
    Millis(u64),
    /// Until its timeout.
    Hang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Then {
    Done,
    /// Returns so many events; only `desk` does.
    Make(usize),
    Retry,
    RetryAfter(u64),
    Bury,
    Discard,
    Panic,
    /// Takes the process with it.
    Kill,
}

/// What becomes of an event that is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Handled,
    Discarded,
    /// Dead-lettered, for this reason.
    Buried(&'static str),
}

/// The fates of one event in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fates {
    pub(crate) alone: Fate,
    /// Where its first attempt was that of a batch, in which another one failed, and where its second was so too, since
    /// the first was given back.
    pub(crate) in_company: [Fate; 2],
}

impl Fates {
    pub(crate) fn of(acts: &[Act]) -> Self {
        let in_company = [1, 2].map(|spent| {
            let others = acts.get(spent..).unwrap_or_default();
            let failed = std::iter::repeat_n(&Act(Wait::No, Then::Retry), spent);
            Fate::of(&failed.chain(others).copied().collect::<Vec<Act>>())
        });
        Self { alone: Fate::of(acts), in_company }
    }
}

impl Fate {
    /// Of an event whose attempts do this, whatever else happens: an attempt that is cut off is made again.
    fn of(acts: &[Act]) -> Self {
        for attempt in 0..ATTEMPTS {
            let is_last = attempt + 1 == ATTEMPTS;
            match acts.get(attempt).copied() {
                None | Some(Act(Wait::No | Wait::Millis(_), Then::Done | Then::Make(_))) => {
                    return Self::Handled;
                }
                Some(Act(Wait::Hang, _)) if is_last => return Self::Buried("timed-out"),
                Some(Act(Wait::Hang, _)) => {}
                Some(Act(_, Then::Discard)) => return Self::Discarded,
                Some(Act(_, Then::Bury)) => return Self::Buried("failed"),
                Some(Act(_, Then::Kill)) => return Self::Buried("crashed"),
                Some(Act(_, Then::Panic)) if is_last => return Self::Buried("panicked"),
                Some(_) if is_last => return Self::Buried("failed"),
                Some(_) => {}
            }
        }
        Self::Handled
    }
}

/// An error that says whatever an event told it to say.
#[derive(Debug)]
pub(crate) struct Said(Outcome);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it was told to fail with {:?}", self.0)
    }
}

impl HandlerError for Said {
    fn outcome(&self) -> Outcome {
        self.0
    }
}

/// One delivery of a run.
#[derive(Debug)]
struct Item<'a> {
    meant: Meant<'a>,
    key: Option<String>,
    acts: &'a [Act],
    /// What the group `store` does with what is made of it.
    store: &'a [Act],
}

/// What the handlers of one instance share.
#[derive(Debug, Clone)]
pub(crate) struct Hands {
    pub(crate) world: World,
    pub(crate) instance: usize,
    /// What dies with the process.
    pub(crate) connection: MemoryBackend,
}

impl Hands {
    /// One attempt at some events; the first that fails decides how it ends.
    async fn attempt(
        &self,
        group: &'static str,
        items: &[Item<'_>],
        attempt: u32,
    ) -> Result<Vec<Made>, Said> {
        silence();
        let meant: Vec<Meant<'_>> = items.iter().map(|item| item.meant.clone()).collect();
        let run = self.world.begin(self.instance, group, &meant, attempt);
        let mut end = End { world: &self.world, run, how: How::Dropped };
        let mut made = Vec::new();
        for Item { meant: Meant { ident, .. }, key, acts, store } in items {
            let act = acts.get(attempt as usize - 1).copied().unwrap_or(Act(Wait::No, Then::Done));
            match act.0 {
                Wait::No => {}
                Wait::Millis(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Wait::Hang => std::future::pending().await,
            }
            let outcome = match act.1 {
                Then::Done => continue,
                Then::Make(count) => {
                    for _ in 0..count {
                        let (cause, key, store) = ((*ident).to_owned(), key.clone(), store.to_vec());
                        made.push(Made { cause, run, index: made.len(), key, store });
                    }
                    continue;
                }
                Then::Kill => {
                    self.world.poisoned(self.instance, group, ident);
                    self.connection.kill();
                    std::future::pending().await
                }
                Then::Panic => {
                    end.how = How::Failed;
                    std::panic::panic_any(TOLD);
                }
                Then::Retry => Outcome::Retry { after: None },
                Then::RetryAfter(millis) => Outcome::Retry { after: Some(Duration::from_millis(millis)) },
                Then::Bury => Outcome::DeadLetter,
                Then::Discard => Outcome::Discard,
            };
            // Of a batch that fails each member runs again.
            let is_last = outcome == Outcome::Discard && items.len() == 1;
            end.how = if is_last { How::Discard } else { How::Failed };
            return Err(Said(outcome));
        }
        end.how = How::Well(made.len());
        Ok(made)
    }

    async fn job(&self, job: Job, metadata: &Metadata, attempt: u32) -> Result<Vec<Made>, Said> {
        let meant = Meant { ident: &job.ident, replayed: metadata.redriven() > 0, copy: None };
        let item = Item { meant, key: job.key, acts: &job.desk, store: &job.store };
        self.attempt("desk", &[item], attempt).await
    }
}

const TOLD: &str = "as it was told";

/// Has nothing printed of the panics that events ask for.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref() != Some(&TOLD) {
                print(panic);
            }
        }));
    });
}

/// Reports the end of an attempt, also if it is dropped or panics.
struct End<'a> {
    world: &'a World,
    run: usize,
    how: How,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.world.end(self.run, self.how);
    }
}

#[handler(concurrency = 4, timeout = "5s", retry(attempts = 3, backoff = "100ms..2s"), unknown_version = hold("30s"))]
async fn work(
    job: Job,
    metadata: Metadata,
    attempt: Attempt,
    hands: State<Hands>,
) -> Result<Vec<Made>, Said> {
    hands.job(job, &metadata, attempt.number()).await
}

#[handler(
    concurrency = 4,
    order = none,
    timeout = "5s",
    retry(attempts = 3, backoff = "100ms..2s"),
    unknown_version = hold("30s")
)]
async fn scatter(
    job: Job,
    metadata: Metadata,
    attempt: Attempt,
    hands: State<Hands>,
) -> Result<Vec<Made>, Said> {
    hands.job(job, &metadata, attempt.number()).await
}

#[handler(
    concurrency = 4,
    order = partition,
    timeout = "5s",
    retry(attempts = 3, backoff = "100ms..2s"),
    unknown_version = hold("30s")
)]
async fn file(
    job: Job,
    metadata: Metadata,
    attempt: Attempt,
    hands: State<Hands>,
) -> Result<Vec<Made>, Said> {
    hands.job(job, &metadata, attempt.number()).await
}

#[handler(
    concurrency = 4,
    timeout = "5s",
    retry(attempts = 3, backoff = "100ms..2s"),
    unknown_version = hold("30s"),
    batch(max = 4, wait = "20ms")
)]
async fn pile(jobs: Batch<Envelope<Job>>, attempt: Attempt, hands: State<Hands>) -> Result<Vec<Made>, Said> {
    let items = jobs.iter().map(|Envelope { event, metadata }| {
        let meant = Meant { ident: &event.ident, replayed: metadata.redriven() > 0, copy: None };
        Item { meant, key: event.key.clone(), acts: &event.desk, store: &event.store }
    });
    let items: Vec<Item<'_>> = items.collect();
    hands.attempt("desk", &items, attempt.number()).await
}

#[handler(concurrency = 4, timeout = "5s", retry(attempts = 3, backoff = "100ms..2s"), unknown_version = hold("30s"))]
async fn note(job: Job, metadata: Metadata, attempt: Attempt, hands: State<Hands>) -> Result<(), Said> {
    let meant = Meant { ident: &job.ident, replayed: metadata.redriven() > 0, copy: None };
    let item = Item { meant, key: job.key, acts: &job.store, store: &[] };
    hands.attempt("store", &[item], attempt.number()).await.map(drop)
}

#[handler(concurrency = 4, timeout = "5s", retry(attempts = 3, backoff = "100ms..2s"))]
async fn put(made: Made, metadata: Metadata, attempt: Attempt, hands: State<Hands>) -> Result<(), Said> {
    let (ident, replayed) = (metadata.id(), metadata.redriven() > 0);
    let meant = Meant { ident, replayed, copy: Some(made.run) };
    let item = Item { meant, key: made.key, acts: &made.store, store: &[] };
    hands.attempt("store", &[item], attempt.number()).await.map(drop)
}

service! {
    /// By key.
    pub(crate) Desk = "desk" { handles: [work], state: [Hands] }
}

service! {
    /// In no order.
    pub(crate) Loose = "desk" { handles: [scatter], state: [Hands] }
}

service! {
    /// By partition.
    pub(crate) Filed = "desk" { handles: [file], state: [Hands] }
}

service! {
    /// In batches, by key.
    pub(crate) Piles = "desk" { handles: [pile], state: [Hands] }
}

service! {
    /// Two subscriptions: every job, and what the desk makes of it.
    pub(crate) Store = "store" { handles: [note, put], state: [Hands] }
}

service! {
    /// Who only publishes.
    pub(crate) Outside = "outside" { publishes: [Job] }
}
