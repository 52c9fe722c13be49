//! A backend that does what a test says, writes down what the dispatch does, and checks both.

mod broker;
mod facts;
mod feed;
mod journal;

use std::{
    collections::{HashMap, VecDeque},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};
use typebus::{
    ErrorKind,
    backend::{Attribute, Consumer, Outgoing, Partitions, Sender},
};

use self::{
    facts::{Fact, Facts, Run},
    feed::{Feed, News},
};
pub(crate) use self::{
    feed::{Closing, Parcel},
    journal::{How, Journal, NOTHING, What},
};

/// The handle that a test holds, and the backend that the bus is connected to. Clones are the same script.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    shared: Arc<Shared>,
    /// The subscription that is meant, in the order of the plan.
    feed: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

type Wrap = Box<dyn Fn(Box<dyn Consumer>) -> Box<dyn Consumer> + Send>;

struct State {
    journal: Journal,
    problems: Vec<String>,
    feeds: Vec<Feed>,
    facts: Facts,
    answers: HashMap<String, Answers>,
    /// Publications whose answer the test has yet to give.
    waiting: VecDeque<(String, oneshot::Sender<Answer>)>,
    stored: Vec<Outgoing>,
    closed: bool,
    never_closes: bool,
    /// Puts a consumer of the test's between the dispatch and this one.
    wrap: Option<Wrap>,
}

/// How a publication is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Confirm,
    Refuse(ErrorKind),
    /// It is stored, and the dispatch is told that this is not known.
    Unknown,
    /// When the test says so, by [`Script::answer`].
    Wait,
    /// After a while.
    After(Duration, Box<Self>),
}

#[derive(Debug)]
struct Answers {
    next: VecDeque<Answer>,
    always: Answer,
}

impl Script {
    pub(crate) fn new() -> Self {
        let state = State {
            journal: Journal::new(),
            problems: Vec::new(),
            feeds: Vec::new(),
            facts: Facts::default(),
            answers: HashMap::new(),
            waiting: VecDeque::new(),
            stored: Vec::new(),
            closed: false,
            never_closes: false,
            wrap: None,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }), feed: 0 }
    }

    /// The same script, for another subscription of the plan.
    pub(crate) fn other(&self, feed: usize) -> Self {
        Self { shared: Arc::clone(&self.shared), feed }
    }

    // What arrives.

    /// Has a message arrive at the end of a partition.
    pub(crate) fn push(&self, partition: u32, parcel: impl Into<Parcel>) {
        self.push_after(partition, 1, parcel);
    }

    /// The same, so many positions after the last one.
    pub(crate) fn push_after(&self, partition: u32, after: u64, parcel: impl Into<Parcel>) {
        let (parcel, feed) = (parcel.into(), self.feed);
        self.change(|state| {
            let fact = Fact {
                feed,
                partition,
                index: 0,
                key: parcel.message.key().map(<[u8]>::to_vec),
                silent: parcel.silent,
                garbled: parcel.garbled,
                token: None,
                last: None,
                letter: false,
            };
            let number = parcel.number;
            let (index, _) = state.feed(feed).push(partition, after, parcel);
            let known = state.facts.messages.insert(number, Fact { index, ..fact });
            assert!(known.is_none(), "two messages have the number {number}");
            state.feed(feed).wake();
        });
    }

    /// Asks for partitions; nothing more of them is handed out until they are assigned again.
    pub(crate) fn revoke(&self, partitions: impl IntoPartitions) {
        self.change(|state| state.feed(self.feed).revoke(partitions.partitions()));
    }

    /// Takes partitions away.
    pub(crate) fn lose(&self, partitions: impl IntoPartitions) {
        self.change(|state| state.feed(self.feed).lose(partitions.partitions()));
    }

    /// Gives back partitions that were released or lost: a new generation, from the first unsettled delivery on.
    pub(crate) fn assign(&self, partitions: impl IntoPartitions) {
        self.change(|state| state.feed(self.feed).assign(&partitions.partitions()));
    }

    /// A consumer reset: everything is lost, and comes again at once.
    pub(crate) fn reset(&self) {
        self.lose(Partitions::All);
        self.assign(Partitions::All);
    }

    /// Whatever is delivered again begins at the floor, what is settled above it included.
    pub(crate) fn repeat_from_the_floor(&self) {
        self.change(|state| state.feed(self.feed).repeats = true);
    }

    /// Several workers share the subscription, and are told things one after the other.
    pub(crate) fn share(&self) {
        self.change(|state| state.feed(self.feed).shared = true);
    }

    /// There is nothing after what was pushed.
    pub(crate) fn end(&self) {
        self.change(|state| {
            state.feed(self.feed).ended = true;
            state.feed(self.feed).wake();
        });
    }

    /// The consumer fails for good.
    pub(crate) fn fail(&self, kind: ErrorKind) {
        self.change(|state| {
            state.feed(self.feed).news.push_back(News::Failure(kind));
            state.feed(self.feed).wake();
        });
    }

    /// Whether everything is settled at the broker.
    pub(crate) fn is_settled(&self) -> bool {
        self.state().feeds.iter().all(|feed| feed.unsettled().is_empty())
    }

    // How it answers.

    /// Answers what is published on a topic, in that order, before what [`always`](Self::always) says.
    pub(crate) fn next(&self, topic: &str, answers: impl IntoIterator<Item = Answer>) {
        self.change(|state| state.answers(topic).next.extend(answers));
    }

    /// Answers everything that is published on a topic; `Confirm` where nothing is said.
    pub(crate) fn always(&self, topic: &str, answer: Answer) {
        self.change(|state| state.answers(topic).always = answer);
    }

    /// From now on everything is confirmed.
    pub(crate) fn heal(&self) {
        self.change(|state| state.answers.clear());
    }

    /// Answers the oldest publication on a topic that waits.
    pub(crate) fn answer(&self, topic: &str, answer: Answer) {
        self.change(|state| {
            let at = state.waiting.iter().position(|(on, _)| on == topic);
            let (_, waiting) =
                at.and_then(|at| state.waiting.remove(at)).expect("nothing waits for an answer");
            waiting.send(answer).expect("who waits for an answer is there");
        });
    }

    /// How the consumer closes.
    pub(crate) fn closing(&self, closing: Closing) {
        self.change(|state| state.feed(self.feed).closing = closing);
    }

    /// The publishing side never closes.
    pub(crate) fn never_close(&self) {
        self.change(|state| state.never_closes = true);
    }

    /// Has every consumer wrapped.
    pub(crate) fn wrap(&self, wrap: impl Fn(Box<dyn Consumer>) -> Box<dyn Consumer> + Send + 'static) {
        self.change(|state| state.wrap = Some(Box::new(wrap)));
    }

    // What was seen.

    /// Looks at the journal.
    pub(crate) fn journal<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.state().journal)
    }

    /// Completes when the journal is as it should be; fails, with what there is, if an hour of nothing else passes.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Journal) -> bool) {
        self.until_state(what, |state| is(&state.journal)).await;
    }

    /// Completes when these are settled.
    pub(crate) async fn until_settled(&self, numbers: impl IntoIterator<Item = u64>) {
        let numbers: Vec<u64> = numbers.into_iter().collect();
        let all = |journal: &Journal| {
            let settled = journal.settled();
            numbers.iter().all(|number| settled.contains(number))
        };
        self.until(&format!("{numbers:?} are settled"), all).await;
    }

    /// Completes when so many runs of a delivery have begun.
    pub(crate) async fn until_began(&self, number: u64, times: usize) {
        self.until(&format!("{number} began {times} times"), |journal| journal.began(number) >= times).await;
    }

    /// Completes when so many publications wait for an answer of the test's.
    pub(crate) async fn until_waiting(&self, count: usize) {
        self.until_state(&format!("{count} wait"), |state| state.waiting.len() >= count).await;
    }

    /// Completes when the broker has nothing left that is not settled.
    pub(crate) async fn until_all_settled(&self) {
        let all = |state: &State| state.feeds.iter().all(|feed| feed.unsettled().is_empty());
        self.until_state("everything is settled", all).await;
    }

    /// Lets time pass; when it has passed, nobody had anything left to do.
    pub(crate) async fn quiet(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// What no generation has settled.
    pub(crate) fn unsettled(&self) -> Vec<u64> {
        self.state().feeds.iter().flat_map(Feed::unsettled).collect()
    }

    /// What is stored on a topic.
    pub(crate) fn stored(&self, topic: &str) -> Vec<Outgoing> {
        self.state().stored.iter().filter(|outgoing| outgoing.topic.as_str() == topic).cloned().collect()
    }

    /// Everything that was wrong so far.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    /// Nothing was wrong.
    pub(crate) fn verdict(&self) {
        let state = self.state();
        let State { problems, journal, .. } = &*state;
        assert!(problems.is_empty(), "{problems:#?}\n{journal}");
    }

    // What handlers tell.

    /// A handler begins, with one delivery or with a batch; the number is that of the run.
    pub(crate) fn begin(&self, numbers: Vec<u64>, attempt: u32, batch: bool) -> u64 {
        self.change(|state| state.begin(numbers, attempt, batch))
    }

    pub(crate) fn ended(&self, run: u64, how: How) {
        self.change(|state| {
            state.facts.live.remove(&run);
            let Some(facts) = state.facts.runs.get_mut(&run) else { return };
            facts.how = Some(how);
            let (feed, numbers) = (facts.feed, facts.numbers.clone());
            state.journal.note(feed, What::Ended { run, numbers, how });
        });
    }

    async fn until_state(&self, what: &str, is: impl Fn(&State) -> bool) {
        let mut patience = pin!(tokio::time::sleep(Duration::from_secs(3_600)));
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if is(&self.state()) {
                return;
            }
            tokio::select! {
                () = &mut changed => {}
                () = &mut patience => {
                    let state = self.state();
                    panic!("never: {what}\n{:#?}\n{}", state.problems, state.journal);
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.shared.changed.notify_waiters();
        changed
    }
}

impl State {
    fn feed(&mut self, feed: usize) -> &mut Feed {
        while self.feeds.len() <= feed {
            self.feeds.push(Feed::new());
        }
        &mut self.feeds[feed]
    }

    fn answers(&mut self, topic: &str) -> &mut Answers {
        let none = || Answers { next: VecDeque::new(), always: Answer::Confirm };
        self.answers.entry(topic.to_owned()).or_insert_with(none)
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// A run begins: whether it may.
    fn begin(&mut self, numbers: Vec<u64>, attempt: u32, batch: bool) -> u64 {
        let run = self.facts.started;
        self.facts.started += 1;
        let facts = numbers.iter().filter_map(|number| self.facts.messages.get(number));
        let tokens: Vec<_> = facts.filter_map(|fact| fact.token).collect();
        let problems: Vec<_> =
            numbers.iter().filter_map(|number| self.may_not_begin(*number, &numbers, batch)).collect();
        self.problems.extend(problems);
        let feed =
            numbers.first().and_then(|number| self.facts.messages.get(number)).map_or(0, |fact| fact.feed);
        for number in &numbers {
            if let Some(fact) = self.facts.messages.get_mut(number) {
                fact.last = Some(run);
            }
        }
        self.journal.note(feed, What::Began { run, numbers: numbers.clone(), attempt });
        let confirmed = std::collections::BTreeSet::new();
        self.facts.runs.insert(run, Run { feed, numbers, tokens, how: None, confirmed });
        self.facts.live.insert(run);
        run
    }

    fn may_not_begin(&self, number: u64, together: &[u64], batch: bool) -> Option<String> {
        let Some(fact) = self.facts.messages.get(&number) else {
            return Some(format!("{number} is unknown"));
        };
        let Some(token) = fact.token else { return Some(format!("{number} was never handed out")) };
        let feed = &self.feeds[fact.feed];
        if feed.is_gone(token) {
            return Some(format!("{number} began, and its generation is over: {:?}", feed.fate(token)));
        }
        if feed.is_revoked(token.partition) {
            return Some(format!("{number} began, and its partition is revoked"));
        }
        let before = fact.last.and_then(|run| self.facts.runs.get(&run));
        if fact.letter
            || before.is_some_and(|run| run.numbers.len() == 1 && matches!(run.how, Some(How::Well(_))))
        {
            return Some(format!("{number} began again, and it was handled"));
        }
        let same_lane = |other: &Fact| {
            let same_key = fact.key.is_some() && other.key == fact.key;
            other.feed == fact.feed
                && match feed.order {
                    typebus::Order::Key => same_key,
                    typebus::Order::Partition => other.partition == fact.partition,
                    typebus::Order::None => false,
                }
        };
        for run in self.facts.live.iter().filter_map(|run| self.facts.runs.get(run)) {
            let mut others =
                run.numbers.iter().filter(|other| self.facts.messages.get(*other).is_some_and(same_lane));
            if let Some(other) = others.next() {
                return Some(format!("{number} began while {other} of its lane ran"));
            }
        }
        let earlier = self.facts.messages.iter().filter(|(_, other)| {
            same_lane(other) && other.partition == fact.partition && other.index < fact.index
        });
        for (other, facts) in earlier {
            // A loss of which the dispatch was not told yet is none to it.
            let again = facts.token.is_some_and(|token| !feed.is_gone(token));
            let settled = feed.partitions[&facts.partition].log[facts.index].settled;
            // A batch is one start, its members that do not decode included, which are not told to the handler.
            let together = together.contains(other) || batch && facts.garbled && again;
            if !(together || self.facts.is_done(*other) || settled && !again) {
                return Some(format!("{number} began before {other} of its lane was done with"));
            }
        }
        None
    }

    /// What still runs, or is still published, of deliveries of which the dispatch knows that they are gone.
    fn check_gone(&mut self, feed: usize) {
        let gone =
            |run: &Run| run.feed == feed && run.tokens.iter().all(|token| self.feeds[feed].is_gone(*token));
        let runs = self.facts.live.iter().filter_map(|run| self.facts.runs.get(run));
        let problems: Vec<_> = runs
            .filter(|run| gone(run))
            .map(|run| format!("{:?} still runs, and is gone", run.numbers))
            .collect();
        self.problems.extend(problems);
    }

    /// A publication is confirmed: whose it was.
    fn confirm(&mut self, outgoing: &Outgoing) {
        let (topic, id) = (outgoing.topic.to_string(), id_of(outgoing));
        match outgoing.sender {
            Sender::DeadLetter => {
                let number = id.strip_prefix("m-").and_then(|number| number.parse().ok());
                if let Some(fact) = number.and_then(|number: u64| self.facts.messages.get_mut(&number)) {
                    fact.letter = true;
                }
            }
            Sender::Handler | Sender::Program => {
                let made = crate::desk::read(outgoing);
                if let Some((run, index)) = made
                    && let Some(run) = self.facts.runs.get_mut(&run)
                {
                    run.confirmed.insert(index);
                }
            }
        }
        self.stored.push(outgoing.clone());
        self.journal.note(0, What::Confirmed { topic, id });
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("problems", &self.problems).finish_non_exhaustive()
    }
}

/// The id of a message.
pub(crate) fn id_of(outgoing: &Outgoing) -> String {
    String::from_utf8_lossy(outgoing.message.attribute(Attribute::Id).unwrap_or_default()).into_owned()
}

/// `[0, 2]`, or `Partitions::All`.
pub(crate) trait IntoPartitions {
    fn partitions(self) -> Partitions;
}

impl IntoPartitions for Partitions {
    fn partitions(self) -> Partitions {
        self
    }
}

impl IntoPartitions for Vec<u32> {
    fn partitions(self) -> Partitions {
        Partitions::These(self)
    }
}

impl<const N: usize> IntoPartitions for [u32; N] {
    fn partitions(self) -> Partitions {
        Partitions::These(self.to_vec())
    }
}
