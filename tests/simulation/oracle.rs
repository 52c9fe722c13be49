//! What was confirmed, and what each handler began and ended: the journal of a history, and the five promises, which
//! are checked while it is written.

mod calls;
mod checks;
mod heard;
mod letters;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use typebus::backend::{Limits, Message, Order, Token};

use crate::program::{Fates, MADE};

/// Everything that is known of one history. Clones are the same.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("World").finish_non_exhaustive()
    }
}

pub(super) struct State {
    born: Instant,
    journal: Vec<(std::time::Duration, String)>,
    problems: Vec<Problem>,
    /// By the order in which they became known.
    events: Vec<Event>,
    idents: HashMap<String, usize>,
    /// Calls of `publish`, in their order.
    calls: Vec<Call>,
    consumers: Vec<Intake>,
    runs: Vec<Run>,
    instances: Vec<Instance>,
    /// What is settled by a group, as it should be.
    done: HashSet<(&'static str, usize)>,
    /// Replays to a group that were confirmed.
    replayed: Vec<(&'static str, usize)>,
    /// The id of what was made of a cause, at each place.
    made: BTreeMap<(String, usize), String>,
    /// Deaths of a process while it held an event.
    deaths: HashMap<(&'static str, usize), Deaths>,
    pub(super) in_batches: bool,
    /// What a broker without this cannot promise about poison.
    pub(super) crash_guard: bool,
    workers: usize,
}

/// A promise that was broken: 1 to 5, as the delivery page numbers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) promise: u8,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Deaths {
    /// It was held then.
    held: u32,
    /// It was recorded then as about to run, or held while nothing was.
    blamed: u32,
    /// It did it.
    caused: u32,
    /// It did it, and something else was recorded.
    missed: u32,
}

/// Which delivery a handler was given, as far as it knows.
#[derive(Debug, Clone)]
pub(crate) struct Meant<'a> {
    pub(crate) ident: &'a str,
    pub(crate) replayed: bool,
    /// Which run made it, where several did: their events are one.
    pub(crate) copy: Option<usize>,
}

/// What an event is told to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain {
        desk: Fates,
        store: Fates,
    },
    /// Its payload cannot be read.
    Garbled,
    /// Of a version that nobody knows.
    Newer,
    /// Of no interest to anybody.
    Foreign,
}

struct Event {
    ident: String,
    topic: String,
    message: Option<Message>,
    kind: Kind,
    delayed: bool,
    /// The clock jumped while it ran, so that it may have run out of time.
    disturbed: bool,
    /// The first call of `publish` for it, and the first that was confirmed.
    first: Option<usize>,
    confirmed: Option<usize>,
}

struct Call {
    event: usize,
    what: Sent,
}

enum Sent {
    Original,
    /// What a run returned.
    Output {
        run: usize,
        index: usize,
    },
    /// A delivery's dead letter, for a reason.
    Letter {
        of: Option<(usize, usize)>,
        reason: String,
    },
    Replay {
        group: &'static str,
    },
}

/// One consumer, as far as its deliveries go.
struct Intake {
    instance: usize,
    group: &'static str,
    filter: String,
    replays: bool,
    order: Order,
    limits: Limits,
    held: Vec<Held>,
    by_token: HashMap<Token, usize>,
    /// Before this one everything is settled or gone.
    from: usize,
    settled: u64,
    revoking: bool,
    /// The suspect that was recorded last.
    recorded: Option<usize>,
}

struct Held {
    token: Token,
    event: usize,
    lane: Option<Vec<u8>>,
    message: Message,
    /// Which run made it.
    copy: Option<usize>,
    suspect: bool,
    settled: bool,
    gone: bool,
    /// It is asked back: what of it does not run is given up, and counts against no limit.
    leaving: bool,
    runs: Vec<usize>,
    /// Its dead letter was confirmed, for this reason.
    letter: Option<String>,
    /// Its dead letter was sent, and is on its way.
    dying: bool,
    is_asked: bool,
}

struct Run {
    /// Consumer, place.
    of: Vec<(usize, usize)>,
    over: Option<How>,
    outputs: HashSet<usize>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It returned so many events.
    Well(usize),
    Discard,
    /// It wants another attempt, or the dead letter.
    Failed,
    /// It was cut off.
    Dropped,
}

#[derive(Debug, Default)]
struct Instance {
    dead: bool,
    /// It may go on with what is not its own any more.
    zombie: bool,
    stopping: bool,
    paused: bool,
}

impl Held {
    fn is_open(&self) -> bool {
        !self.gone && !self.settled
    }
}

impl Intake {
    /// Who is recorded to be about to run, and unsettled.
    fn blamed(&self) -> Option<usize> {
        self.recorded.map(|place| &self.held[place]).filter(|held| held.is_open()).map(|held| held.event)
    }

    fn open(&self) -> impl Iterator<Item = &Held> {
        self.held[self.from..].iter().filter(|held| held.is_open())
    }
}

impl World {
    pub(crate) fn new(in_batches: bool, crash_guard: bool, workers: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            born: Instant::now(),
            journal: Vec::new(),
            problems: Vec::new(),
            events: Vec::new(),
            idents: HashMap::new(),
            calls: Vec::new(),
            consumers: Vec::new(),
            runs: Vec::new(),
            instances: Vec::new(),
            done: HashSet::new(),
            replayed: Vec::new(),
            made: BTreeMap::new(),
            deaths: HashMap::new(),
            in_batches,
            crash_guard,
            workers,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the driver says.

    pub(crate) fn note(&self, text: impl fmt::Display) {
        self.state().note(text);
    }

    pub(crate) fn problem(&self, promise: u8, text: impl Into<String>) {
        self.state().problem(promise, text);
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.state().problems.clone()
    }

    pub(crate) fn has_problems(&self) -> bool {
        !self.state().problems.is_empty()
    }

    /// The last entries of the journal.
    pub(crate) fn trace(&self, last: usize) -> String {
        let state = self.state();
        let from = state.journal.len().saturating_sub(last);
        let lines = state.journal[from..].iter();
        lines.map(|(at, text)| format!("{:>9.3} s  {text}\n", at.as_secs_f64())).collect()
    }

    pub(crate) fn instance(&self, name: &'static str) -> usize {
        let mut state = self.state();
        state.instances.push(Instance::default());
        let number = state.instances.len() - 1;
        state.note(format!("{number} joins as {name}"));
        number
    }

    pub(crate) fn is_dead(&self, instance: usize) -> bool {
        self.state().instances[instance].dead
    }

    pub(crate) fn stopping(&self, instance: usize, hurry: bool) {
        let mut state = self.state();
        state.note(format!("{instance} is stopped{}", if hurry { " in a hurry" } else { "" }));
        state.instances[instance].stopping = true;
    }

    pub(crate) fn zombie(&self, instance: usize, why: &str) {
        let mut state = self.state();
        state.note(format!("{instance}: {why}"));
        state.instances[instance].zombie = true;
    }

    pub(crate) fn paused(&self, instance: usize, paused: bool) {
        let mut state = self.state();
        state.note(format!("{instance} is {}", if paused { "paused" } else { "resumed" }));
        state.instances[instance].paused = paused;
    }

    /// The clock is about to jump.
    pub(crate) fn jump(&self) {
        let mut state = self.state();
        let State { events, runs, consumers, .. } = &mut *state;
        for (consumer, place) in runs.iter().filter(|run| run.over.is_none()).flat_map(|run| &run.of) {
            events[consumers[*consumer].held[*place].event].disturbed = true;
        }
    }

    /// The process of an instance dies.
    pub(crate) fn killed(&self, instance: usize) {
        self.state().die(instance);
    }

    /// An event is about to be published, and this should become of it.
    pub(crate) fn expect(&self, ident: &str, kind: Kind, delayed: bool) {
        let mut state = self.state();
        let event = state.event(ident);
        state.events[event].kind = kind;
        state.events[event].delayed = delayed;
    }

    // What the handlers say.

    pub(crate) fn begin(
        &self,
        instance: usize,
        group: &'static str,
        meant: &[Meant<'_>],
        attempt: u32,
    ) -> usize {
        self.state().begin(instance, group, meant, attempt)
    }

    pub(crate) fn end(&self, run: usize, how: How) {
        let mut state = self.state();
        state.runs[run].over = Some(how);
        state.note(format!("  run {run} ended: {how:?}"));
    }

    pub(crate) fn poisoned(&self, instance: usize, group: &'static str, ident: &str) {
        let mut state = self.state();
        let event = state.event(ident);
        state.note(format!("{ident} kills {instance}"));
        // One dies once.
        if state.instances[instance].dead {
            return;
        }
        let mine = state.consumers.iter().filter(|other| other.instance == instance && other.group == group);
        // Of one that had lost it, it is nobody's.
        let missed =
            state.instances[instance].zombie || mine.filter_map(Intake::blamed).any(|blamed| blamed != event);
        if missed && state.workers == 1 {
            state.note("  and another is blamed");
        }
        state.die(instance);
        let deaths = state.deaths.entry((group, event)).or_default();
        deaths.caused += 1;
        deaths.missed += u32::from(missed);
        let caused = deaths.caused - deaths.missed;
        if state.crash_guard && caused > 3 {
            state.problem(5, format!("{ident} killed {caused} processes"));
        }
    }
}

/// The group of this name.
fn group(name: &str) -> &'static str {
    if name == "desk" { "desk" } else { "store" }
}

/// The groups that receive a topic.
fn readers(topic: &str) -> &'static [&'static str] {
    if topic == MADE { &["store"] } else { &["desk", "store"] }
}

impl State {
    fn note(&mut self, text: impl fmt::Display) {
        self.journal.push((self.born.elapsed(), text.to_string()));
    }

    pub(super) fn problem(&mut self, promise: u8, text: impl Into<String>) {
        let text = text.into();
        self.note(format!("!!! promise {promise}: {text}"));
        self.problems.push(Problem { promise, text });
    }

    fn event(&mut self, ident: &str) -> usize {
        if let Some(event) = self.idents.get(ident) {
            return *event;
        }
        self.events.push(Event {
            ident: ident.to_owned(),
            topic: String::new(),
            message: None,
            kind: Kind::Plain { desk: Fates::of(&[]), store: Fates::of(&[]) },
            delayed: false,
            disturbed: false,
            first: None,
            confirmed: None,
        });
        self.idents.insert(ident.to_owned(), self.events.len() - 1);
        self.events.len() - 1
    }

    fn die(&mut self, instance: usize) {
        self.note(format!("{instance} dies"));
        self.instances[instance].dead = true;
        for consumer in self.consumers.iter_mut().filter(|consumer| consumer.instance == instance) {
            let recorded = consumer.blamed();
            for held in consumer.held.iter_mut().filter(|held| !held.gone) {
                let deaths = self.deaths.entry((consumer.group, held.event)).or_default();
                deaths.held += 1;
                deaths.blamed += u32::from(recorded.is_none_or(|recorded| recorded == held.event));
                held.gone = true;
            }
        }
    }
}
