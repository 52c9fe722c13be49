//! Skipping repeats of finished work: each attempt begins with a claim, and finished work is remembered before its
//! delivery is settled.

use std::{sync::Arc, time::Duration};

use super::{End, Worker};
use crate::{
    backend::Delivery,
    dedupe::{Begun, Claim, DedupeStore},
    dispatch::{
        conditions::Condition,
        effects::RETRY,
        errands::{Answer, Ask, Errands},
        held::Stage,
        retry::delay,
    },
};

/// What a claim lasts beyond the timeout of the attempt.
const MARGIN: Duration = Duration::from_secs(10);

/// Of a subscription that has a handler with `dedupe`.
#[derive(Debug)]
pub(super) struct Repeats {
    store: Arc<dyn DedupeStore>,
    /// Which bus asks.
    owner: Arc<str>,
    pub(super) errands: Errands,
    answers: Vec<(u32, Ask, Answer)>,
}

impl Repeats {
    pub(super) fn new(store: Arc<dyn DedupeStore>, owner: Arc<str>, held: usize) -> Self {
        Self { store, owner, errands: Errands::new(held), answers: Vec::new() }
    }
}

impl Worker {
    /// Begins a claim for the head of a lane that has none; `false` if it needs none.
    pub(super) fn claim(&mut self, id: u32) -> bool {
        let Some(entry) = self.held.get(id) else { return false };
        let wanted = self.setup.runners[entry.handler].policy.dedupe.is_some();
        if !wanted || entry.is_claimed || entry.doom.is_some() {
            return false;
        }
        if let Some(entry) = self.held.get_mut(id) {
            entry.stage = Stage::Claiming;
        }
        self.ask(id, Ask::Begin);
        true
    }

    /// Has the store told what became of claimed work before its delivery is settled; `true` if it is told now.
    pub(super) fn conclude(&mut self, id: u32, end: End) -> bool {
        let Some(entry) = self.held.get_mut(id).filter(|entry| entry.is_claimed) else { return false };
        let ask = match end {
            End::Handled | End::Discarded => Ask::Done,
            End::DeadLettered(_) | End::Repeated | End::Expired => Ask::Release,
        };
        entry.stage = Stage::Publishing;
        entry.end = Some(end);
        self.ask(id, ask);
        true
    }

    fn ask(&mut self, id: u32, ask: Ask) {
        let (Some(entry), Some(repeats)) = (self.held.get(id), &mut self.repeats) else { return };
        let runner = &self.setup.runners[entry.handler];
        let lease = runner.policy.timeout.unwrap_or_default() + MARGIN;
        let window = runner.policy.dedupe.unwrap_or_default();
        // One delivery is one owner: of two that carry one fact at the same bus, the second waits for the first. Without
        // the generation, so that what was lost, and is not run any more, may begin again where it has the same place.
        let Delivery { topic, token, .. } = &entry.delivery;
        let owner = format!("{} {topic} {} {}", repeats.owner, token.partition, token.position);
        let claim = Claim::new(&entry.delivery, entry.event, &runner.scope, &owner, lease, window);
        repeats.errands.ask(id, ask, &repeats.store, claim);
    }

    pub(super) fn poll_errands(&mut self) -> bool {
        let Some(repeats) = &mut self.repeats else { return false };
        let mut answers = std::mem::take(&mut repeats.answers);
        repeats.errands.poll(&mut answers);
        let progress = !answers.is_empty();
        for (id, ask, answer) in answers.drain(..) {
            self.answered(id, ask, answer);
        }
        if let Some(repeats) = &mut self.repeats {
            repeats.answers = answers;
        }
        progress
    }

    fn answered(&mut self, id: u32, ask: Ask, answer: Answer) {
        let is_leaving = self.is_leaving(id);
        let Some(entry) = self.held.get_mut(id) else { return };
        let handler = self.setup.runners[entry.handler].scope.handler;
        let wait = match answer {
            Ok(begun) => {
                entry.refusals = 0;
                self.setup.conditions.remove(|known| matches!(known, Condition::Store { .. }));
                match (ask, begun) {
                    (Ask::Begin, Some(Begun::Done)) => return self.settle(id, End::Repeated),
                    (Ask::Begin, Some(Begun::Running(left))) => left,
                    (Ask::Begin, Some(Begun::New) | None) => {
                        (entry.is_claimed, entry.stage) = (true, Stage::Waiting);
                        return if is_leaving { self.give_back(id) } else { self.enqueue(id) };
                    }
                    (Ask::Done | Ask::Release, _) => {
                        entry.is_claimed = false;
                        let end = entry.end.unwrap_or(End::Handled);
                        return self.settle(id, end);
                    }
                }
            }
            Err(error) => {
                let (group, topic) = (&self.setup.subscription.group, &entry.delivery.topic);
                tracing::error!(%group, %topic, handler, ?ask, %error, "the dedupe store does not answer; it is asked again");
                entry.refusals += 1;
                self.setup.conditions.add(Condition::Store { handler });
                delay(&RETRY, entry.refusals, fastrand::u32(..))
            }
        };
        if is_leaving && ask == Ask::Begin {
            return self.give_back(id);
        }
        // Whoever wakes asks the same again.
        entry.stage = Stage::Sleeping;
        self.retries.sleep(id, self.clock.now() + wait);
    }

    /// A delivery that slept because of the store, and is to tell it what became of its work.
    pub(super) fn ask_again(&mut self, id: u32) -> bool {
        let Some(end) = self.held.get(id).and_then(|entry| entry.end) else { return false };
        self.conclude(id, end)
    }
}
