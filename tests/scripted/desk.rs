//! The program under test: handlers that do what their messages say, and a bus around a [`Script`].

use std::{fmt, sync::Once, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use typebus::{
    FromDelivery, GroupStats, HandlerError, Incoming, Outcome, Running, Service, StateOf, Tuning,
    backend::{Attribute, Message, MessageBuilder, Outgoing},
    prelude::*,
};

use crate::script::{How, Parcel, Script};

pub(crate) const TASKS: &str = "desk.tasks";
pub(crate) const MADE: &str = "desk.made";
pub(crate) const BILLS: &str = "desk.bills";

/// Something to do, with what each attempt at it does.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "desk.tasks", name = "task", key = key)]
pub(crate) struct Task {
    pub(crate) number: u64,
    key: Option<String>,
    /// The nth attempt does the nth; those after the last succeed and return nothing.
    acts: Vec<Act>,
    /// How an extractor fails, if it does.
    refused: Option<Then>,
    /// To make it larger.
    padding: String,
}

/// The event of another subscription.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "desk.notes", name = "note", key = key)]
pub(crate) struct Note {
    number: u64,
    key: Option<String>,
    acts: Vec<Act>,
}

/// What a handler returns.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "desk.made", name = "made", key = key)]
pub(crate) struct Made {
    pub(crate) number: u64,
    pub(crate) key: Option<String>,
    run: u64,
    /// Its place among what the run returned.
    pub(crate) index: u64,
}

/// The other thing that a handler returns.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "desk.bills", name = "bill", key = key)]
pub(crate) struct Bill {
    number: u64,
    key: Option<String>,
    run: u64,
    index: u64,
}

/// What one attempt does: it waits, and then ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Act(pub(crate) Wait, pub(crate) Then);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Wait {
    /// It is ready at its first poll.
    No,
    Millis(u64),
    /// Until [`Hands::open`].
    Gate,
    /// For ever.
    Hang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Then {
    Done,
    /// Returns so many [`Made`].
    Make(u64),
    /// Returns a [`Made`] and a [`Bill`].
    Both,
    Retry,
    RetryAfter(u64),
    Bury,
    Discard,
    /// Fails, and says that it is done.
    Ack,
    Panic,
}

pub(crate) const GATE: Act = Act(Wait::Gate, Then::Done);
pub(crate) const HANG: Act = Act(Wait::Hang, Then::Done);

/// An attempt that ends at its first poll.
pub(crate) const fn at_once(then: Then) -> Act {
    Act(Wait::No, then)
}

/// An error that says whatever a message told it to say.
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

impl Then {
    fn outcome(self) -> Option<Outcome> {
        Some(match self {
            Self::Done | Self::Make(_) | Self::Both | Self::Panic => return None,
            Self::Retry => Outcome::Retry { after: None },
            Self::RetryAfter(millis) => Outcome::Retry { after: Some(Duration::from_millis(millis)) },
            Self::Bury => Outcome::DeadLetter,
            Self::Discard => Outcome::Discard,
            Self::Ack => Outcome::Ack,
        })
    }
}

/// An extractor that fails where the message says so.
#[derive(Debug)]
pub(crate) struct Pass;

impl FromDelivery for Pass {
    type Needs = ();
    type Error = Said;

    fn from_delivery(incoming: &Incoming<'_>, (): &()) -> Result<Self, Said> {
        let task: Option<Task> = serde_json::from_slice(incoming.payload()).ok();
        let refused = task.and_then(|task| task.refused?.outcome());
        refused.map_or(Ok(Self), |outcome| Err(Said(outcome)))
    }
}

/// What all handlers share: the script that they report to, and the gates at which they wait.
#[derive(Debug, Clone)]
pub(crate) struct Hands {
    script: Script,
    /// The numbers whose gate is open.
    open: watch::Sender<Vec<u64>>,
}

impl Hands {
    pub(crate) fn new(script: &Script) -> Self {
        silence();
        Self { script: script.clone(), open: watch::Sender::new(Vec::new()) }
    }

    /// Lets a message's attempts through its gate, now and later.
    pub(crate) fn open(&self, number: u64) {
        self.open.send_modify(|open| open.push(number));
    }

    /// One attempt at one message or at a batch, whose most contrary member decides how it ends.
    async fn attempt(
        &self,
        tasks: &[Task],
        attempt: u32,
        batch: bool,
    ) -> Result<(Vec<Made>, Option<Bill>), Said> {
        let numbers: Vec<u64> = tasks.iter().map(|task| task.number).collect();
        let mut end = End { hands: self, run: self.script.begin(numbers, attempt, batch), how: None };
        let (mut made, mut bill, mut index) = (Vec::new(), None, 0);
        for task in tasks {
            let act = task.acts.get(attempt as usize - 1).copied().unwrap_or(at_once(Then::Done));
            self.wait(task.number, act.0).await;
            let (number, key, run) = (task.number, &task.key, end.run);
            let count = match act.1 {
                Then::Make(count) => count,
                Then::Both => 1,
                _ => 0,
            };
            for _ in 0..count {
                made.push(Made { number, key: key.clone(), run, index });
                index += 1;
            }
            if act.1 == Then::Both {
                bill = Some(Bill { number, key: key.clone(), run, index });
                index += 1;
            }
            if act.1 == Then::Panic {
                std::panic::panic_any(TOLD);
            }
            if let Some(outcome) = act.1.outcome() {
                end.how = Some(How::Failed(outcome));
                return Err(Said(outcome));
            }
        }
        end.how = Some(How::Well(made.len() + usize::from(bill.is_some())));
        Ok((made, bill))
    }

    async fn wait(&self, number: u64, wait: Wait) {
        match wait {
            Wait::No => {}
            Wait::Millis(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Wait::Gate => {
                let mut open = self.open.subscribe();
                drop(open.wait_for(|open| open.contains(&number)).await.unwrap());
            }
            Wait::Hang => std::future::pending().await,
        }
    }
}

const TOLD: &str = "as it was told";

/// Has nothing printed of the panics that messages ask for.
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
    hands: &'a Hands,
    run: u64,
    how: Option<How>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let otherwise = if std::thread::panicking() { How::Panicked } else { How::Dropped };
        self.hands.script.ended(self.run, self.how.unwrap_or(otherwise));
    }
}

#[handler(concurrency = 4, timeout = "30s", retry(attempts = 3, backoff = "1s..4s", jitter = false))]
async fn work(
    task: Task,
    attempt: Attempt,
    _pass: Pass,
    hands: State<Hands>,
) -> Result<(Vec<Made>, Option<Bill>), Said> {
    hands.attempt(&[task], attempt.number(), false).await
}

#[handler(
    concurrency = 2,
    timeout = "30s",
    retry(attempts = 3, backoff = "1s..4s", jitter = false),
    batch(max = 4, wait = "20ms")
)]
async fn pile(
    tasks: Batch<Task>,
    attempt: Attempt,
    hands: State<Hands>,
) -> Result<(Vec<Made>, Option<Bill>), Said> {
    let tasks: Vec<Task> = tasks.into_iter().collect();
    hands.attempt(&tasks, attempt.number(), true).await
}

#[handler(concurrency = 4, order = none, retry(attempts = 3, backoff = "1s..4s", jitter = false))]
async fn scatter(
    task: Task,
    attempt: Attempt,
    hands: State<Hands>,
) -> Result<(Vec<Made>, Option<Bill>), Said> {
    hands.attempt(&[task], attempt.number(), false).await
}

#[handler(concurrency = 4, order = partition, retry(attempts = 3, backoff = "1s..4s", jitter = false))]
async fn file(task: Task, attempt: Attempt, hands: State<Hands>) -> Result<(Vec<Made>, Option<Bill>), Said> {
    hands.attempt(&[task], attempt.number(), false).await
}

#[handler(concurrency = 48, timeout = "30s", retry(attempts = 3, backoff = "1s..4s", jitter = false))]
async fn spread(
    task: Task,
    attempt: Attempt,
    hands: State<Hands>,
) -> Result<(Vec<Made>, Option<Bill>), Said> {
    hands.attempt(&[task], attempt.number(), false).await
}

#[handler(timeout = "30s")]
async fn read_note(note: Note, attempt: Attempt, hands: State<Hands>) -> Result<(), Said> {
    let Note { number, key, acts } = note;
    let task = Task { number, key, acts, refused: None, padding: String::new() };
    hands.attempt(&[task], attempt.number(), false).await.map(|_| ())
}

service! {
    /// One delivery at a time, by key.
    pub(crate) Desk = "desk" { handles: [work], state: [Hands] }
}

service! {
    /// Batches, by key.
    pub(crate) Piles = "desk" { handles: [pile], state: [Hands] }
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
    /// By key, with room for many keys in each of several workers.
    pub(crate) Wide = "desk" { handles: [spread], state: [Hands] }
}

service! {
    /// Two subscriptions: notes are the first of the plan.
    pub(crate) Both = "desk" { handles: [work, read_note], state: [Hands] }
}

/// Reads the run and the place of something that a handler returned.
pub(crate) fn read(outgoing: &Outgoing) -> Option<(u64, u64)> {
    #[derive(Deserialize)]
    struct Origin {
        run: u64,
        index: u64,
    }
    let Origin { run, index } = serde_json::from_slice(outgoing.message.payload()).ok()?;
    Some((run, index))
}

/// A task that is done at once.
pub(crate) fn task(number: u64) -> Task {
    Task { number, key: None, acts: Vec::new(), refused: None, padding: String::new() }
}

impl Task {
    pub(crate) fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// What its attempts do.
    pub(crate) fn acts(self, acts: impl Into<Vec<Act>>) -> Self {
        Self { acts: acts.into(), ..self }
    }

    /// It never comes as far as the handler.
    pub(crate) fn refused(self, then: Then) -> Self {
        Self { refused: Some(then), ..self }
    }

    pub(crate) fn padding(self, bytes: usize) -> Self {
        Self { padding: "x".repeat(bytes), ..self }
    }

    /// Its payload is no task.
    pub(crate) fn garbled(self) -> Parcel {
        let message = message(self.number, self.key.as_deref(), "task.v1", b"{ no task");
        Parcel { number: self.number, topic: TASKS, message, silent: false, garbled: true }
    }

    /// It is of a version that nobody knows.
    pub(crate) fn version(self, version: u32) -> Parcel {
        self.kind(&format!("task.v{version}"), false)
    }

    /// It is an event of which the group knows nothing.
    pub(crate) fn foreign(self) -> Parcel {
        self.kind("rumour.v1", true)
    }

    fn kind(self, kind: &str, silent: bool) -> Parcel {
        let payload = serde_json::to_vec(&self).unwrap();
        let message = message(self.number, self.key.as_deref(), kind, &payload);
        Parcel { number: self.number, topic: TASKS, message, silent, garbled: false }
    }
}

impl From<Task> for Parcel {
    fn from(task: Task) -> Self {
        // An extractor may end it without a run and without a letter.
        let ends = task.refused.and_then(Then::outcome);
        let silent = matches!(ends, Some(Outcome::Ack | Outcome::Discard));
        task.kind("task.v1", silent)
    }
}

/// A note, for the other subscription.
pub(crate) fn note(number: u64, acts: impl Into<Vec<Act>>) -> Parcel {
    let note = Note { number, key: None, acts: acts.into() };
    let message = message(number, None, "note.v1", &serde_json::to_vec(&note).unwrap());
    Parcel { number, topic: "desk.notes", message, silent: false, garbled: false }
}

fn message(number: u64, key: Option<&str>, kind: &str, payload: &[u8]) -> Message {
    let mut builder = MessageBuilder::new();
    let write = |buffer: &mut Vec<u8>| {
        buffer.extend_from_slice(payload);
        Ok::<(), std::convert::Infallible>(())
    };
    builder.payload(write).unwrap();
    if let Some(key) = key {
        builder.key(key.as_bytes());
    }
    builder
        .attribute(Attribute::Type, kind.as_bytes())
        .attribute(Attribute::Source, b"test")
        .attribute(Attribute::Id, format!("m-{number}").as_bytes());
    builder.build()
}

/// A bus at work on a script.
pub(crate) struct Rig<S> {
    pub(crate) script: Script,
    pub(crate) hands: Hands,
    pub(crate) bus: Bus<S>,
    pub(crate) running: Running,
}

impl<S: Service + StateOf<Hands>> Rig<S> {
    /// Starts on a new script.
    pub(crate) async fn start() -> Self {
        Self::on(&Script::new(), Tuning::default()).await
    }

    /// Starts on a script on which things happened already.
    pub(crate) async fn on(script: &Script, tuning: Tuning) -> Self {
        let hands = Hands::new(script);
        if tuning.workers.is_some_and(|workers| workers > 1) {
            script.share();
        }
        let bus = Bus::<S>::builder().state(hands.clone()).tuning(tuning);
        let bus = bus.connect(script.clone()).await.unwrap();
        let running = bus.start().await.unwrap();
        Self { script: script.clone(), hands, bus, running }
    }

    /// Stops, and gives the verdict.
    pub(crate) async fn close(self) {
        self.running.stop().await.unwrap();
        self.script.verdict();
    }

    /// Stops when everything is settled, and gives the verdict.
    pub(crate) async fn finish(self) {
        self.script.until_all_settled().await;
        self.close().await;
    }

    /// What became of the deliveries of the first subscription.
    pub(crate) fn counts(&self) -> GroupStats {
        self.running.stats().groups()[0].clone()
    }

    /// What was dead-lettered, by the number of the original: reason, error, attempts.
    pub(crate) async fn letters(&self) -> Vec<(u64, typebus::Reason, String, u32)> {
        let letters = self.bus.dead_letters("desk").list().collect().await.unwrap();
        let read = |letter: &typebus::DeadLetter| {
            let number = letter.metadata().id().strip_prefix("m-").unwrap().parse().unwrap();
            (number, letter.reason(), letter.error().to_owned(), letter.attempts())
        };
        letters.iter().map(read).collect()
    }
}
