//! What makes a worker careful: deliveries that a process may have died of, an open breaker, handlers that are paused.
//!
//! While something asks for care nothing runs as it arrives, and attempts start one at a time, or not at all.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use super::{End, Worker};
use crate::{
    backend::{Delivery, Note},
    dispatch::{
        breaker::{Breaker, Exhausted},
        conditions::Condition,
        held::{Doom, Entry, Stage},
    },
    error::Result,
    event::EventDescriptor,
    outputs::Reason,
};

#[derive(Debug)]
pub(super) struct Care {
    pub(super) breaker: Breaker,
    /// Deliveries held that a process may have died of.
    suspects: usize,
    /// The suspect that runs, or is about to.
    trial: Option<Trial>,
    /// A trial ended in this round, and the consumer may not know yet that its suspect is settled.
    acquitted: bool,
    /// Handlers that are paused.
    paused: usize,
}

/// A suspect with the gate of the process to itself.
#[derive(Debug)]
struct Trial {
    id: u32,
    /// The backend has noted that it is about to run.
    recorded: bool,
}

impl Care {
    pub(super) const NONE: Self =
        Self { breaker: Breaker::Closed(0), suspects: 0, trial: None, acquitted: false, paused: 0 };

    /// Whether nothing asks for it.
    pub(super) fn is_none(&self) -> bool {
        self.suspects == 0 && self.paused == 0 && !self.acquitted && self.breaker == Breaker::Closed(0)
    }
}

impl Worker {
    /// Takes in a delivery of which the broker remembers something.
    #[cold]
    pub(super) fn arrive_with_past(
        &mut self,
        handler: usize,
        event: Option<&'static EventDescriptor>,
        delivery: &Delivery,
    ) -> Result<()> {
        let entry = self.with_past(handler, event, delivery);
        self.wait_in_lane(entry)
    }

    /// What such a delivery begins with.
    pub(super) fn with_past(
        &mut self,
        handler: usize,
        event: Option<&'static EventDescriptor>,
        delivery: &Delivery,
    ) -> Entry {
        let past = delivery.past.as_deref().copied().unwrap_or_default();
        let attempts = self.setup.runners[handler].policy.attempts;
        let mut entry = Entry::new(delivery.clone(), handler, event);
        entry.attempt = past.attempts.saturating_add(1).min(attempts);
        if past.crashes >= self.setup.tuning.crashes {
            let error = format!("the process died {} times while it was handled", past.crashes);
            entry.doom = Some(Box::new(Doom::new(Reason::Crashed, error)));
        } else if past.suspect {
            // A batch would make suspects of its other members.
            (entry.suspect, entry.solo) = (true, true);
            self.care.suspects += 1;
            self.be_careful();
        }
        entry
    }

    fn be_careful(&mut self) {
        (self.calm, self.express) = (false, false);
    }

    /// Whether a delivery may start now; asked only while something asks for care.
    pub(super) fn may_start(&mut self, handler: usize, id: u32, cx: &mut Context<'_>) -> Result<bool> {
        // Or the one that survived would answer for what the next one does.
        if self.care.acquitted {
            self.tell();
            let Poll::Ready(cleared) = self.setup.consumer.poll_record(cx, None) else { return Ok(false) };
            cleared.map_err(|error| self.fatal(error))?;
            self.care.acquitted = false;
        }
        if self.setup.runners[handler].paused {
            return Ok(false);
        }
        let alone = self.care.suspects > 0 || self.care.breaker.is_open();
        let another = self.care.trial.as_ref().is_some_and(|trial| trial.id != id);
        if another || (alone && self.setup.runners.iter().any(|runner| runner.running() > 0)) {
            return Ok(false);
        }
        if self.care.breaker.next().is_some_and(|next| next > self.now) {
            return Ok(false);
        }
        if self.held.get(id).is_some_and(|entry| entry.suspect) { self.record(id, cx) } else { Ok(true) }
    }

    /// Takes the gate, and has the backend note that the suspect is about to run.
    fn record(&mut self, id: u32, cx: &mut Context<'_>) -> Result<bool> {
        if self.care.trial.is_none() {
            if !self.setup.gate.acquire(cx.waker()) {
                return Ok(false);
            }
            self.care.trial = Some(Trial { id, recorded: false });
        }
        if self.care.trial.as_ref().is_some_and(|trial| trial.recorded) {
            return Ok(true);
        }
        let Some(entry) = self.held.get(id) else { return Ok(false) };
        let Poll::Ready(recorded) = self.setup.consumer.poll_record(cx, Some(entry.delivery.token)) else {
            return Ok(false);
        };
        recorded.map_err(|error| self.fatal(error))?;
        self.care.trial = Some(Trial { id, recorded: true });
        Ok(true)
    }

    /// An attempt at a delivery ended, so that nobody died of it.
    pub(super) fn survived(&mut self, id: u32) {
        if self.care.suspects > 0
            && let Some(entry) = self.held.get_mut(id)
            && std::mem::take(&mut entry.suspect)
        {
            self.acquit(id);
        }
    }

    /// A delivery goes unsettled: what is known of it goes with it.
    pub(super) fn let_go(&mut self, id: u32, entry: &Entry) {
        if entry.is_settled {
            let (group, topic) = (&self.setup.subscription.group, &entry.delivery.topic);
            tracing::warn!(%group, %topic, "a delivery that is handled at most once was cut off while it ran");
            self.tally.discarded += 1;
            if self.observing.is_some() {
                self.observe_end(entry, End::Discarded);
            }
        } else if entry.attempt > 1 {
            self.notes.push(Note { token: entry.delivery.token, attempts: entry.attempt - 1 });
        }
        if entry.suspect {
            self.acquit(id);
        }
        if let Some(doom) = &entry.doom {
            self.lose_sight(doom);
        }
    }

    /// A suspect is one no more, or is here no more.
    fn acquit(&mut self, id: u32) {
        self.care.suspects = self.care.suspects.saturating_sub(1);
        if self.care.trial.as_ref().is_some_and(|trial| trial.id == id) {
            self.end_trial();
        }
    }

    fn end_trial(&mut self) {
        if self.care.trial.take().is_some() {
            self.care.acquitted = true;
            self.setup.gate.release();
        }
    }

    /// Obeys the wish to pause or resume handlers.
    pub(super) fn pause(&mut self) {
        let Self { setup, care, .. } = self;
        for (handler, runner) in setup.runners.iter_mut().enumerate() {
            runner.paused = setup.control.is_paused(handler);
        }
        care.paused = setup.runners.iter().filter(|runner| runner.paused).count();
        // A suspect of a paused handler must not hold up the others.
        let waits =
            |trial: &Trial| self.held.get(trial.id).is_some_and(|entry| entry.stage == Stage::Waiting);
        if care.trial.as_ref().is_some_and(waits) {
            self.end_trial();
        }
    }

    /// Whether there is nobody to take deliveries for.
    pub(super) fn is_all_paused(&self) -> bool {
        self.care.paused > 0 && self.care.paused == self.setup.runners.len()
    }

    /// A delivery used up its attempts; `true` if it is kept nevertheless, since the breaker is open.
    pub(super) fn is_kept(&mut self, id: u32) -> bool {
        let Some(entry) = self.held.get(id) else { return false };
        let runner = &self.setup.runners[entry.handler];
        if runner.policy.breaker.is_none() && !self.care.breaker.is_open() {
            return false;
        }
        let after = runner.policy.breaker.unwrap_or(u32::MAX);
        let (random, is_batch) = (fastrand::u32(..), runner.is_batch());
        match self.care.breaker.exhausted(Some(after), self.now, &runner.policy.backoff, random) {
            Exhausted::Bury => {
                // A success is to be noticed.
                self.be_careful();
                return false;
            }
            Exhausted::Keep { opened: true } => {
                let (group, topic) = (&self.setup.subscription.group, &self.setup.subscription.filter);
                let handler = runner.scope.handler;
                tracing::error!(%group, %topic, handler, after, "the breaker opens: so many deliveries in a row used up their attempts");
                self.setup.conditions.add(Condition::BreakerOpen { handler, after });
            }
            Exhausted::Keep { opened: false } => {}
        }
        self.be_careful();
        if self.is_leaving(id) {
            self.give_back(id);
            return true;
        }
        let Some(entry) = self.held.get_mut(id) else { return true };
        (entry.stage, entry.is_claimed) = (Stage::Waiting, false);
        entry.solo |= is_batch;
        let attempt = entry.attempt;
        self.tally.retried += 1;
        if self.observing.is_some() {
            self.observe_retry(id, attempt, Duration::ZERO);
        }
        // Behind the others, so that one that can never succeed is not the only one that is tried.
        self.enqueue(id);
        true
    }

    /// An attempt failed that will be repeated.
    pub(super) fn probe_failed(&mut self, handler: usize) {
        if self.care.breaker.is_open() {
            let backoff = &self.setup.runners[handler].policy.backoff;
            self.care.breaker.failed(self.now, backoff, fastrand::u32(..));
        }
    }

    /// A handler did its work, or gave a verdict of its own.
    pub(super) fn worked(&mut self) {
        if self.care.breaker.succeeded() {
            let (group, topic) = (&self.setup.subscription.group, &self.setup.subscription.filter);
            tracing::info!(%group, %topic, "the breaker closes");
            self.setup.conditions.remove(|condition| matches!(condition, Condition::BreakerOpen { .. }));
        }
    }
}
