//! What happened in a test: what was published, what ran, and what became of every delivery.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::delivered::{Ended, How};
use crate::{
    backend::{Confirmation, Delivery, Message, Outgoing, Position, Sender, Subscription, Token},
    dispatch::DeadLetter,
    envelope::split_kind,
    error::{Error, ErrorKind},
    event::{EventDescriptor, EventSet},
    handler::HandlerDescriptor,
    input::Incoming,
    message::Attribute,
    outlet::Outlet,
    outputs::{Reason, Rejection},
    plan::Wiring,
    policy::DeadLetterTo,
    scope::Scope,
    topic::{is_reserved, matches},
};

/// Where a message is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: Option<u32>,
    pub(super) position: Option<Position>,
}

impl Place {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let topic = delivery.topic.to_string();
        Self { topic, partition: delivery.partition, position: delivery.position }
    }
}

/// Written by the tap, the handlers' attempts and the test; read by the test.
#[derive(Debug)]
pub(super) struct Journal {
    wirings: Vec<Wiring>,
    state: Mutex<State>,
    /// Counts everything that happened.
    happened: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Confirmed events, in order.
    published: Vec<Delivery>,
    /// How many events were stored, those of the test included.
    stored: usize,
    letters: Vec<DeadLetter>,
    /// By group.
    runs: HashMap<(String, Place), Run>,
    /// What a permanent failure to publish left behind, by the id of its cause.
    unpublished: HashMap<Vec<u8>, String>,
    /// By the number of the subscription.
    ended: HashMap<(usize, Place), Ended>,
    refusals: Vec<Refusal>,
}

/// The last attempt at a delivery.
#[derive(Debug)]
struct Run {
    handler: &'static str,
    attempt: u32,
    last: Last,
}

#[derive(Debug)]
enum Last {
    Running,
    Succeeded,
    Failed(Reason, String),
    /// By its time-out, or since the service stops.
    Dropped,
}

/// Publications that are to fail.
#[derive(Debug)]
struct Refusal {
    kind: &'static str,
    left: u32,
    error: ErrorKind,
}

impl Journal {
    pub(super) fn new(wirings: Vec<Wiring>) -> Arc<Self> {
        Arc::new(Self { wirings, state: Mutex::default(), happened: watch::Sender::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut self.state());
        self.happened.send_modify(|count| *count += 1);
        answer
    }

    /// Tells of everything that happens from now on.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.happened.subscribe()
    }

    // What the tap sees.

    /// What is to be answered instead of publishing, if this is to fail.
    pub(super) fn refusal(&self, outgoing: &Outgoing) -> Option<Error> {
        let kind = outgoing.message.attribute(Attribute::Type)?;
        let mut state = self.state();
        let refusals = &mut state.refusals;
        let at = refusals.iter().position(|refusal| refusal.kind.as_bytes() == kind)?;
        let error = refusals[at].error;
        refusals[at].left -= 1;
        refusals.retain(|refusal| refusal.left > 0);
        Some(Error::new(error, "publish", "the test refuses it").at("memory"))
    }

    pub(super) fn published(&self, outgoing: Outgoing, confirmation: Confirmation) {
        let Confirmation { partition, position } = confirmation;
        let Outgoing { topic, message, sender } = outgoing;
        let token = Token { partition: 0, generation: 0, position: 0 };
        let delivery = Delivery { token, topic, message, partition, position };
        self.write(|state| match sender {
            Sender::DeadLetter => state.letters.push(DeadLetter::new(&delivery)),
            Sender::Program | Sender::Handler => {
                state.stored += 1;
                state.published.push(delivery);
            }
        });
    }

    pub(super) fn unpublished(&self, outgoing: &Outgoing, error: &Error) {
        if let Some(cause) = outgoing.message.attribute(Attribute::CausationId) {
            self.write(|state| state.unpublished.insert(cause.to_vec(), error.to_string()));
        }
    }

    pub(super) fn settled(&self, subscription: &Subscription, place: Place, message: &Message) {
        let Some(nth) = self.wirings.iter().position(|wiring| wiring.subscription == *subscription) else {
            return;
        };
        self.write(|state| {
            let ended = state.end(&self.wirings[nth], &place, message);
            state.ended.insert((nth, place), ended);
        });
    }

    // What the attempts say.

    pub(super) fn began(&self, scope: &Scope, place: Place, attempt: u32) {
        let run = Run { handler: scope.handler, attempt, last: Last::Running };
        self.write(|state| state.runs.insert((scope.group.clone(), place), run));
    }

    pub(super) fn ran(&self, group: &str, place: &Place, result: &Result<(), Rejection>) {
        self.last(
            group,
            place,
            match result {
                Ok(()) => Last::Succeeded,
                Err(rejection) => Last::Failed(rejection.reason, rejection.error.clone()),
            },
        );
    }

    pub(super) fn rejected(&self, group: &str, place: &Place, rejection: &Rejection) {
        self.last(group, place, Last::Failed(rejection.reason, rejection.error.clone()));
    }

    pub(super) fn dropped(&self, group: &str, place: &Place) {
        self.last(group, place, Last::Dropped);
    }

    fn last(&self, group: &str, place: &Place, last: Last) {
        self.write(|state| {
            if let Some(run) = state.runs.get_mut(&(group.to_owned(), place.clone())) {
                run.last = last;
            }
        });
    }

    // What the test does and asks.

    pub(super) fn refuse(&self, event: &'static EventDescriptor, times: u32, error: ErrorKind) {
        if times > 0 {
            self.write(|state| state.refusals.push(Refusal { kind: event.kind, left: times, error }));
        }
    }

    /// The test itself stored an event.
    pub(super) fn delivered(&self) {
        self.write(|state| state.stored += 1);
    }

    pub(super) fn stored(&self) -> usize {
        self.state().stored
    }

    pub(super) fn letters(&self) -> Vec<DeadLetter> {
        self.state().letters.clone()
    }

    /// How a delivery ended in every group; `None` while it has not in one.
    pub(super) fn ended(&self, place: &Place) -> Option<Vec<Ended>> {
        let receives = |(_, wiring): &(usize, &Wiring)| {
            !is_reserved(&place.topic) && matches(&wiring.subscription.filter, &place.topic)
        };
        let state = self.state();
        let of = |(nth, _)| state.ended.get(&(nth, place.clone())).cloned();
        self.wirings.iter().enumerate().filter(receives).map(of).collect()
    }

    /// What runs, for a message about a test that cannot go on.
    pub(super) fn running(&self) -> String {
        let state = self.state();
        let running = state.runs.iter().filter(|(_, run)| matches!(run.last, Last::Running));
        let mut running: Vec<_> = running
            .map(|((group, place), run)| {
                let Run { handler, attempt, .. } = run;
                format!(
                    "handler `{handler}` of group {group} in attempt {attempt} at an event of {}",
                    place.topic
                )
            })
            .collect();
        running.sort();
        running.join("; ")
    }

    /// The kinds of the last events that were published, for a message about events that never end.
    pub(super) fn latest(&self, count: usize) -> String {
        let state = self.state();
        let from = state.published.len().saturating_sub(count);
        let kind = |delivery: &Delivery| {
            let kind = delivery.message.attribute(Attribute::Type).unwrap_or_default();
            String::from_utf8_lossy(kind).into_owned()
        };
        state.published[from..].iter().map(kind).collect::<Vec<_>>().join(", ")
    }

    /// Everything published that is an `E`.
    ///
    /// # Panics
    /// What was written as one cannot be read as one.
    pub(super) fn events<E: EventSet>(&self, outlet: &Arc<Outlet>) -> Vec<E> {
        let scope = Arc::new(Scope {
            handler: "",
            group: String::new(),
            attempts: 1,
            state: Arc::default(),
            outlet: Arc::clone(outlet),
            shutdown: watch::Sender::new(false).subscribe(),
        });
        let published = self.state().published.clone();
        let read = |delivery: &Delivery| {
            let incoming = Incoming {
                delivery,
                event: None,
                attempt: 1,
                scope: &scope,
                published: std::cell::OnceCell::new(),
            };
            let is = E::EVENTS.iter().any(|event| incoming.is_event(event));
            is.then(|| {
                E::decode(&incoming)
                    .unwrap_or_else(|error| panic!("what was published cannot be read: {error}"))
            })
        };
        published.iter().filter_map(read).collect()
    }
}

impl State {
    /// A delivery is settled: how it ended follows from its last attempt and its dead letter.
    fn end(&mut self, wiring: &Wiring, place: &Place, message: &Message) -> Ended {
        let group = &wiring.subscription.group;
        let listed = |name: &str| wiring.handlers.iter().find(|handler| handler.name == name).copied();
        let discards = |handler: &HandlerDescriptor| handler.policy.dead_letter == DeadLetterTo::Discard;
        let run = self.runs.get(&(group.clone(), place.clone()));
        let run = run.filter(|run| listed(run.handler).is_some());
        let is_here = |letter: &&DeadLetter| {
            let at = place.position.unwrap_or(Position::new(0));
            letter.group() == group && letter.origin().is(&place.topic, place.partition, at)
        };
        let mut ended = Ended {
            group: group.clone(),
            handler: run.map(|run| run.handler),
            how: How::Handled,
            attempts: run.map_or(0, |run| run.attempt),
            failure: None,
            letter: self.letters.iter().rev().find(is_here).cloned(),
        };
        if let Some(letter) = &ended.letter {
            ended.how = How::DeadLettered;
            ended.handler = listed(letter.handler()).map(|handler| handler.name);
            ended.attempts = letter.attempts();
            ended.failure = Some((letter.reason(), letter.error().to_owned()));
            return ended;
        }
        match run.map(|run| &run.last) {
            Some(Last::Failed(reason, error)) => {
                ended.how = How::Discarded;
                ended.failure = Some((*reason, error.clone()));
            }
            Some(Last::Dropped) => {
                ended.how = How::Discarded;
                ended.failure = Some((Reason::TimedOut, "the attempt took longer than its timeout".into()));
            }
            Some(Last::Succeeded | Last::Running) => {
                let id = message.attribute(Attribute::Id).unwrap_or_default();
                if let Some(error) = self.unpublished.get(id)
                    && ended.handler.and_then(listed).is_some_and(discards)
                {
                    ended.how = How::Discarded;
                    ended.failure = Some((Reason::PublishFailed, error.clone()));
                }
            }
            // Neither run nor among the dead letters: nobody's, or given up before it ran.
            None => {
                let kind = message.attribute(Attribute::Type).unwrap_or_default();
                let (name, _) = split_kind(std::str::from_utf8(kind).unwrap_or_default());
                let takes = |handler: &&&HandlerDescriptor| {
                    discards(handler) && handler.accepts.iter().any(|event| event.name == name)
                };
                ended.handler = wiring.handlers.iter().find(takes).map(|handler| handler.name);
                ended.how = if ended.handler.is_some() { How::Discarded } else { How::Skipped };
            }
        }
        ended
    }
}
