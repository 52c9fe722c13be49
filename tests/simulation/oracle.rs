//! What was confirmed, and what each handler began and ended: the journal of a history, and the five promises, which
//! are checked while it is written.

mod checks;
mod letters;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use typebus::{
    GroupStats, Result,
    backend::{
        Attribute, Confirmation, Delivery, Limits, Message, Order, Outgoing, Partitions, Sender, Token,
    },
};

use crate::program::{Fates, MADE, Made};

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

    // What the recorder says.

    pub(crate) fn call(&self, instance: usize, outgoing: &Outgoing) -> usize {
        self.state().call(instance, outgoing)
    }

    pub(crate) fn answered(&self, call: usize, answer: &Result<Confirmation>) {
        self.state().answered(call, answer);
    }

    pub(crate) fn consumer(&self, instance: usize, subscription: &typebus::backend::Subscription) -> usize {
        let mut state = self.state();
        state.consumers.push(Intake {
            instance,
            group: group(&subscription.group),
            filter: subscription.filter.to_string(),
            replays: subscription.filter.starts_with("dead."),
            order: subscription.order,
            limits: subscription.limits,
            held: Vec::new(),
            by_token: HashMap::new(),
            from: 0,
            settled: 0,
            revoking: false,
            recorded: None,
        });
        state.consumers.len() - 1
    }

    pub(crate) fn delivered(&self, consumer: usize, room: typebus::backend::Room, deliveries: &[Delivery]) {
        self.state().delivered(consumer, room, deliveries);
    }

    pub(crate) fn settled(&self, consumer: usize, tokens: &[Token]) {
        let mut state = self.state();
        tokens.iter().for_each(|token| state.settled(consumer, *token));
    }

    pub(crate) fn recorded(&self, consumer: usize, suspect: Token) {
        let intake = &mut self.state().consumers[consumer];
        intake.recorded = intake.by_token.get(&suspect).copied();
    }

    pub(crate) fn revoking(&self, consumer: usize, partitions: &Partitions) {
        let mut state = self.state();
        state.note(format!("consumer {consumer} is asked for {partitions:?}"));
        let intake = &mut state.consumers[consumer];
        intake.revoking = true;
        let held = intake.held.iter_mut().filter(|held| partitions.contains(held.token.partition));
        held.for_each(|held| held.leaving = true);
    }

    /// Released, lost, or closed.
    pub(crate) fn gone(&self, consumer: usize, partitions: &Partitions, how: &str) {
        let mut state = self.state();
        state.note(format!("consumer {consumer}: {partitions:?} {how}"));
        let intake = &mut state.consumers[consumer];
        intake.revoking = false;
        let held = intake.held.iter_mut().filter(|held| !held.gone);
        held.filter(|held| partitions.contains(held.token.partition)).for_each(|held| held.gone = true);
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

    fn call(&mut self, instance: usize, outgoing: &Outgoing) -> usize {
        let message = &outgoing.message;
        let ident =
            String::from_utf8_lossy(message.attribute(Attribute::Id).unwrap_or_default()).into_owned();
        let event = self.event(&ident);
        let what = match outgoing.sender {
            Sender::DeadLetter if outgoing.topic.ends_with(".redrive") => {
                let name = outgoing.topic.split('.').nth(1).unwrap_or_default();
                Sent::Replay { group: group(name) }
            }
            Sender::DeadLetter => self.check_letter(instance, event, message),
            Sender::Handler => self.check_output(event, message),
            Sender::Program => Sent::Original,
        };
        let call = self.calls.len();
        if matches!(what, Sent::Original | Sent::Output { .. }) {
            let known = &mut self.events[event];
            if known.first.is_none() {
                known.first = Some(call);
                known.topic = outgoing.topic.to_string();
                known.message = Some(message.clone());
            }
        }
        self.note(format!("{instance} publishes {ident} on {} as call {call}", outgoing.topic));
        self.calls.push(Call { event, what });
        call
    }

    fn check_output(&mut self, event: usize, message: &Message) -> Sent {
        let made: std::result::Result<Made, _> = serde_json::from_slice(message.payload());
        let Ok(made) = made else {
            self.problem(2, "what a handler returned was published as something else");
            return Sent::Original;
        };
        let id = self.events[event].ident.clone();
        let cause = (made.cause.clone(), made.index);
        let before = self.made.entry(cause).or_insert_with(|| id.clone());
        // The cause of what a batch returned is the batch, which may be another one the next time.
        if *before != id && !self.in_batches {
            let text = format!("what {} made has the id {id}, and had {before}", made.cause);
            self.problem(2, text);
        }
        if self.events[event].first.is_none() {
            self.events[event].kind = Kind::Plain { desk: Fates::of(&[]), store: Fates::of(&made.store) };
        } else if !self.in_batches
            && self.events[event].message.as_ref().is_some_and(|first| {
                serde_json::from_slice::<Made>(first.payload())
                    .is_ok_and(|first| (first.cause, first.index) != (made.cause.clone(), made.index))
            })
        {
            self.problem(2, format!("{id} is the id of two events"));
        }
        Sent::Output { run: made.run, index: made.index }
    }

    fn answered(&mut self, call: usize, answer: &Result<Confirmation>) {
        let event = self.calls[call].event;
        match answer {
            Ok(_) => self.note(format!("  call {call} is confirmed")),
            Err(error) => {
                let unknown = if error.outcome_unknown() { ", perhaps stored" } else { "" };
                self.note(format!("  call {call} failed: {:?}{unknown}", error.kind()));
            }
        }
        let confirmed = answer.is_ok();
        match &self.calls[call].what {
            Sent::Original if confirmed => _ = self.events[event].confirmed.get_or_insert(call),
            Sent::Output { run, index } if confirmed => {
                let (run, index) = (*run, *index);
                self.events[event].confirmed.get_or_insert(call);
                if let Some(run) = self.runs.get_mut(run) {
                    run.outputs.insert(index);
                }
            }
            Sent::Letter { of: Some((consumer, place)), reason } => {
                let held = &mut self.consumers[*consumer].held[*place];
                held.is_asked = false;
                if confirmed {
                    held.letter = Some(reason.clone());
                }
            }
            Sent::Replay { group } if confirmed => {
                self.replayed.push((group, event));
                // It has three more.
                if let Some(deaths) = self.deaths.get_mut(&(*group, event)) {
                    (deaths.caused, deaths.missed) = (0, 0);
                }
            }
            Sent::Original | Sent::Output { .. } | Sent::Letter { .. } | Sent::Replay { .. } => {}
        }
    }

    /// That a stopped subscription counted what was seen of it.
    fn check_counts(&mut self, instance: usize, counts: &GroupStats) {
        let consumers = self.consumers.iter().filter(|intake| {
            intake.instance == instance && intake.group == counts.group && intake.filter == counts.topic
        });
        let (mut received, mut settled) = (0, 0);
        for intake in consumers {
            received += intake.held.len() as u64;
            settled += intake.settled;
        }
        // Where several workers share it, what no worker has taken yet when they stop is not counted.
        let is_counted = received == counts.received || (self.workers > 1 && received > counts.received);
        if !is_counted || settled != counts.settled() {
            let text = format!("{instance}: {received} deliveries and {settled} settlements, but {counts:?}");
            self.problem(2, text);
        }
    }
}

impl World {
    /// Looks at the counters of an instance that has ended.
    pub(crate) fn counted(&self, instance: usize, stats: &typebus::Stats) {
        let mut state = self.state();
        stats.groups().iter().for_each(|counts| state.check_counts(instance, counts));
    }
}
