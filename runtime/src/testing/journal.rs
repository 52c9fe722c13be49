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
    policy::DeadLetterTo,
    scope::Scope,
    service::ServiceDescriptor,
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

/// A delivery: a message in a subscription, of which a group may have several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Member {
    group: String,
    filter: String,
    place: Place,
}

impl Member {
    pub(super) fn of(subscription: &Subscription, delivery: &Delivery) -> Self {
        Self::at(subscription, Place::of(delivery))
    }

    fn at(Subscription { group, filter, .. }: &Subscription, place: Place) -> Self {
        Self { group: group.clone(), filter: filter.to_string(), place }
    }
}

/// Written by the tap, the handlers' attempts and the test; read by the test.
#[derive(Debug)]
pub(super) struct Journal {
    /// None for a publisher alone.
    service: Option<&'static ServiceDescriptor>,
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
    subscriptions: Vec<Subscription>,
    runs: HashMap<Member, Run>,
    /// What a permanent failure to publish left behind, by the id of its cause.
    unpublished: HashMap<Vec<u8>, String>,
    ended: HashMap<Member, Ended>,
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
    pub(super) fn new(service: Option<&'static ServiceDescriptor>) -> Arc<Self> {
        Arc::new(Self { service, state: Mutex::default(), happened: watch::Sender::new(0) })
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
        let Outgoing { topic, message, sender, .. } = outgoing;
        let token = Token { partition: 0, generation: 0, position: 0 };
        let delivery = Delivery { token, topic, message, partition, position, past: None };
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

    pub(super) fn subscribed(&self, subscription: &Subscription) {
        self.write(|state| state.subscriptions.push(subscription.clone()));
    }

    pub(super) fn settled(&self, member: Member, message: &Message) {
        let Some(service) = self.service else { return };
        self.write(|state| {
            let ended = state.end(service, &member, message);
            state.ended.insert(member, ended);
        });
    }

    // What the attempts say.

    pub(super) fn began(&self, member: Member, handler: &'static str, attempt: u32) {
        self.write(|state| state.runs.insert(member, Run { handler, attempt, last: Last::Running }));
    }

    pub(super) fn ran(&self, member: &Member, result: &Result<(), Rejection>) {
        match result {
            Ok(()) => self.last(member, Last::Succeeded),
            Err(rejection) => self.rejected(member, rejection),
        }
    }

    pub(super) fn rejected(&self, member: &Member, rejection: &Rejection) {
        self.last(member, Last::Failed(rejection.reason, rejection.error.clone()));
    }

    pub(super) fn dropped(&self, member: &Member) {
        self.last(member, Last::Dropped);
    }

    fn last(&self, member: &Member, last: Last) {
        self.write(|state| {
            if let Some(run) = state.runs.get_mut(member) {
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

    /// How a message ended in every subscription that receives it; `None` while it has not in one.
    pub(super) fn ended(&self, place: &Place) -> Option<Vec<Ended>> {
        let state = self.state();
        let receives =
            |other: &&Subscription| !is_reserved(&place.topic) && matches(&other.filter, &place.topic);
        let end = |subscription| state.ended.get(&Member::at(subscription, place.clone())).cloned();
        state.subscriptions.iter().filter(receives).map(end).collect()
    }

    /// What runs, for a message about a test that cannot go on.
    pub(super) fn running(&self) -> String {
        let state = self.state();
        let running = state.runs.iter().filter(|(_, run)| matches!(run.last, Last::Running));
        let mut running: Vec<_> = running
            .map(|(Member { group, place, .. }, Run { handler, attempt, .. })| {
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
            write_reply: None,
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
    fn end(&self, service: &ServiceDescriptor, member: &Member, message: &Message) -> Ended {
        let Member { group, place, .. } = member;
        let run = self.runs.get(member);
        let mut ended = Ended {
            group: group.clone(),
            handler: run.map(|run| run.handler),
            how: How::Handled,
            attempts: run.map_or(0, |run| run.attempt),
            failure: None,
            letter: self.letter(group, place),
        };
        if let Some(letter) = &ended.letter {
            let handler = service.handlers.iter().find(|handler| handler.name == letter.handler());
            ended.handler = handler.map(|handler| handler.name);
            ended.how = How::DeadLettered;
            ended.attempts = letter.attempts();
            ended.failure = Some((letter.reason(), letter.error().to_owned()));
            return ended;
        }
        let mut careless =
            service.handlers.iter().filter(|handler| handler.policy.dead_letter == DeadLetterTo::Discard);
        let failure = match run {
            // Neither run nor among the dead letters: nobody's, or given up before it ran.
            None => {
                let name = name(message);
                let takes = |handler: &&HandlerDescriptor| {
                    handler.accepts.iter().any(|event| event.name == name)
                        && service.group_of(handler) == group
                };
                ended.handler = careless.find(takes).map(|handler| handler.name);
                ended.how = if ended.handler.is_some() { How::Discarded } else { How::Skipped };
                return ended;
            }
            Some(Run { last: Last::Failed(reason, error), .. }) => Some((*reason, error.clone())),
            Some(Run { last: Last::Dropped, .. }) => {
                Some((Reason::TimedOut, "the attempt took longer than its timeout".to_owned()))
            }
            Some(Run { last: Last::Succeeded | Last::Running, handler, .. }) => {
                let error = self.unpublished.get(message.attribute(Attribute::Id).unwrap_or_default());
                let error = error.filter(|_| careless.any(|other| other.name == *handler));
                error.map(|error| (Reason::PublishFailed, error.clone()))
            }
        };
        if failure.is_some() {
            ended.how = How::Discarded;
            ended.failure = failure;
        }
        ended
    }

    fn letter(&self, group: &str, place: &Place) -> Option<DeadLetter> {
        let position = place.position?;
        let of = |letter: &&DeadLetter| {
            letter.group() == group && letter.origin().is(&place.topic, place.partition, position)
        };
        self.letters.iter().rev().find(of).cloned()
    }
}

/// The name of its event.
fn name(message: &Message) -> &str {
    let kind = message.attribute(Attribute::Type).unwrap_or_default();
    split_kind(std::str::from_utf8(kind).unwrap_or_default()).0
}
