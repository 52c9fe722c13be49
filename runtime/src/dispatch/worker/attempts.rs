//! Attempts: starting, polling, and what a failed one means.

use std::{
    cell::{OnceCell, RefCell},
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use super::{End, Phase, Worker, observe::span, publish::Sent, requests::DISCARDED};
use crate::{
    backend::{Attribute, Delivery},
    dispatch::{
        held::{Entry, Held, HeldBack, Stage},
        retry::{LONGEST_AFTER, delay},
        runner::Runner,
    },
    error::Result,
    event::EventDescriptor,
    input::{Arrival, Incoming},
    layer::polled,
    outcome::Outcome,
    outputs::{Others, Outbox, Reason, Rejection},
    policy::Guarantee,
    scope::Scope,
};

/// How far a delivery came that was run as it arrived.
pub(super) enum AtOnce {
    /// It is settled.
    Done,
    /// It was not run, and must wait for its turn.
    Wait,
    /// Its attempt is in this slot, pending, or ended with an error.
    Began(usize, Poll<Result<(), Rejection>>),
    /// Its attempt is over, but what it returned is not confirmed yet.
    Stuck(Sent),
}

impl Worker {
    pub(super) fn wake_due(&mut self) -> bool {
        let mut progress = false;
        while let Some(id) = self.retries.wake(self.now) {
            if self.repeats.is_some() && self.ask_again(id) {
                progress = true;
            } else if let Some(entry) = self.held.get_mut(id) {
                entry.stage = Stage::Waiting;
                self.enqueue(id);
                progress = true;
            }
        }
        for handler in 0..self.setup.runners.len() {
            while let Some(slot) = self.setup.runners[handler].slots.expired(self.now) {
                let runner = &mut self.setup.runners[handler];
                runner.attempts.cancel(slot);
                let after = runner.policy.timeout.unwrap_or_default();
                self.finish(handler, slot, Err(Rejection::timed_out(after)));
                progress = true;
            }
        }
        progress
    }

    pub(super) fn launch(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let mut progress = false;
        if !self.is_starting() {
            return Ok(false);
        }
        let flush = self.phase == Phase::Ending;
        for handler in 0..self.setup.runners.len() {
            while let Some(id) = self.setup.runners[handler].next(self.now, flush) {
                if self.held.get(id).is_some_and(|entry| entry.expires <= self.now) {
                    self.setup.runners[handler].skip();
                    self.expire(id);
                    progress = true;
                    continue;
                }
                if self.held.get(id).is_some_and(|entry| entry.doom.is_some()) {
                    self.setup.runners[handler].skip();
                    self.meet_doom(id);
                    progress = true;
                    continue;
                }
                if !self.calm && !self.may_start(handler, id, cx)? {
                    break;
                }
                let runner = &mut self.setup.runners[handler];
                let Some(slot) = runner.acquire(cx.waker()) else { break };
                runner.gather(slot, &self.held, &self.lanes, self.now);
                self.start(handler, slot);
                progress = true;
            }
        }
        Ok(progress)
    }

    /// The turn of a delivery that is never run: it is given up, unless it still waits for a newer instance.
    fn meet_doom(&mut self, id: u32) {
        let Some(entry) = self.held.get_mut(id) else { return };
        let held_back = entry.doom.as_ref().and_then(|doom| doom.held_back);
        if let Some(HeldBack { until, .. }) = held_back.filter(|held_back| held_back.until > self.now) {
            entry.stage = Stage::Sleeping;
            self.retries.sleep(id, until.min(entry.expires));
        } else if let Some(doom) = entry.doom.take() {
            let attempts = entry.attempt - 1;
            self.lose_sight(&doom);
            // It is no suspect any more: it is never run.
            self.survived(id);
            self.bury(id, doom.reason, &doom.error, attempts);
        }
    }

    /// Runs the first attempt of a delivery as it arrives, where nothing stands before it. One that finishes in its
    /// first poll costs no place in the window, in a lane or in a queue.
    pub(super) fn run_at_once(
        &mut self,
        handler: usize,
        event: Option<&'static EventDescriptor>,
        delivery: &Delivery,
    ) -> AtOnce {
        let runner = &mut self.setup.runners[handler];
        if !self.express || !runner.is_idle() || !(self.lanes.is_empty() || self.is_lane_free(delivery)) {
            return AtOnce::Wait;
        }
        let Self { setup, outgoing, .. } = self;
        let Runner { scope, attempts, slots, spans, express, .. } = &mut setup.runners[handler];
        let slot = match express.take() {
            Some(slot) => slot,
            None => match slots.acquire() {
                Some(slot) => slot,
                None => return AtOnce::Wait,
            },
        };
        let mut run = || {
            let item = incoming(delivery, event, 1, scope);
            let arrival = Arrival { items: std::slice::from_ref(&item), rejected: None };
            let mut outbox = Outbox::new(scope, delivery, None, outgoing);
            attempts.start(slot, &arrival, &mut Context::from_waker(slots.waker(slot)), &mut outbox)
        };
        let polled = if tracing::enabled!(tracing::Level::INFO) {
            let span = span(&setup.subscription, scope, delivery, 1, 1);
            let polled = span.in_scope(run);
            if polled.is_pending() {
                spans[slot] = span;
            }
            polled
        } else {
            run()
        };
        if !matches!(polled, Poll::Ready(Ok(()))) {
            return AtOnce::Began(slot, polled);
        }
        *express = Some(slot);
        if !self.outgoing.is_empty() {
            let sent = self.send();
            if !matches!(sent, Sent::All) {
                return AtOnce::Stuck(sent);
            }
        }
        self.tally.handled += 1;
        self.pass(delivery.token);
        AtOnce::Done
    }

    /// Keeps a delivery whose attempt began and did not end well at once.
    pub(super) fn go_on(
        &mut self,
        id: u32,
        handler: usize,
        slot: usize,
        polled: Poll<Result<(), Rejection>>,
    ) {
        let members = &mut self.setup.runners[handler].members[slot];
        members.clear();
        members.push(id);
        match polled {
            Poll::Ready(result) => self.finish(handler, slot, result),
            Poll::Pending => self.arm_timeout(handler, slot),
        }
    }

    fn arm_timeout(&mut self, handler: usize, slot: usize) {
        let runner = &mut self.setup.runners[handler];
        if let Some(timeout) = runner.policy.timeout {
            runner.slots.arm(slot, self.now + timeout);
        }
    }

    fn start(&mut self, handler: usize, slot: usize) {
        if self.setup.runners[handler].policy.delivery == Guarantee::AtMostOnce {
            self.settle_first(handler, slot);
        }
        let refused = if self.observing.is_some() { self.watch(handler, slot).err() } else { None };
        let Self { setup, held, outgoing, .. } = self;
        let Runner { scope, attempts, members, slots, spans, watches, .. } = &mut setup.runners[handler];
        for id in &members[slot] {
            if let Some(entry) = held.get_mut(*id) {
                entry.stage = Stage::Running;
            }
        }
        if let Some(rejection) = refused {
            return self.finish(handler, slot, Err(rejection));
        }
        let rejected = RefCell::new(Vec::new());
        let polled = {
            let Some(first) = members[slot].first().and_then(|id| held.get(*id)) else { return };
            let items: Vec<_> = match members[slot].len() {
                // The usual case needs no list.
                1 => Vec::new(),
                _ => members[slot].iter().filter_map(|id| Some(incoming_of(held.get(*id)?, scope))).collect(),
            };
            spans[slot] =
                span(&setup.subscription, scope, &first.delivery, first.attempt, items.len().max(1));
            let _entered = spans[slot].enter();
            let only = incoming_of(first, scope);
            let items = if items.is_empty() { std::slice::from_ref(&only) } else { &items };
            let arrival = Arrival { items, rejected: Some(&rejected) };
            let others = Others::new(deliveries(&members[slot][1..], held));
            let mut outbox = Outbox::new(scope, &first.delivery, others.as_ref(), outgoing);
            polled(watches.get_mut(slot), || {
                attempts.start(slot, &arrival, &mut Context::from_waker(slots.waker(slot)), &mut outbox)
            })
        };
        // Members of a batch that do not decode take no other with them.
        let rejected: Vec<_> =
            rejected.into_inner().into_iter().map(|(at, why)| (members[slot][at], why)).collect();
        if !rejected.is_empty() {
            members[slot].retain(|id| rejected.iter().all(|(gone, _)| gone != id));
        }
        let empty = members[slot].is_empty();
        for (id, why) in rejected {
            self.survived(id);
            self.bury(id, why.reason, &why.error, 0);
        }
        match polled {
            polled if empty => {
                self.outgoing.clear();
                if let Poll::Ready(Err(rejection)) = polled {
                    self.observe_unreadable(handler, slot, &rejection);
                }
                self.setup.runners[handler].release(slot);
            }
            Poll::Ready(result) => self.finish(handler, slot, result),
            Poll::Pending => self.arm_timeout(handler, slot),
        }
    }

    pub(super) fn poll_woken(&mut self) -> bool {
        let mut progress = false;
        let mut woken = std::mem::take(&mut self.woken);
        for handler in 0..self.setup.runners.len() {
            woken.clear();
            self.setup.runners[handler].slots.take_woken(&mut woken);
            for slot in woken.drain(..) {
                progress |= self.poll_slot(handler, slot);
            }
        }
        self.woken = woken;
        progress
    }

    /// Polls an attempt; `true` if it ended.
    pub(super) fn poll_slot(&mut self, handler: usize, slot: usize) -> bool {
        let Self { setup, held, outgoing, .. } = self;
        let Runner { scope, attempts, members, slots, spans, watches, .. } = &mut setup.runners[handler];
        let Some(first) = members[slot].first().and_then(|id| held.get(*id)) else { return false };
        let others = Others::new(deliveries(&members[slot][1..], held));
        let mut outbox = Outbox::new(scope, &first.delivery, others.as_ref(), outgoing);
        let polled = {
            let _entered = spans[slot].enter();
            polled(watches.get_mut(slot), || {
                attempts.poll(slot, &mut Context::from_waker(slots.waker(slot)), &mut outbox)
            })
        };
        match polled {
            Poll::Pending => false,
            Poll::Ready(result) => {
                self.finish(handler, slot, result);
                true
            }
        }
    }

    /// An attempt ended: its slot is free, and its deliveries go their way.
    pub(super) fn finish(&mut self, handler: usize, slot: usize, result: Result<(), Rejection>) {
        let runner = &mut self.setup.runners[handler];
        let mut members = std::mem::take(&mut runner.members[slot]);
        let watch = runner.watches.get_mut(slot).and_then(Option::take);
        runner.release(slot);
        let result = match watch {
            Some(watch) => self.observe_ended(watch, &members, result),
            None => result,
        };
        if !self.calm {
            members.iter().for_each(|id| self.survived(*id));
        }
        match result {
            Ok(()) if self.outgoing.is_empty() => {
                members.iter().for_each(|id| self.settle(*id, End::Handled));
            }
            Ok(()) => self.publish(&members),
            Err(rejection) => {
                self.outgoing.clear();
                match &members[..] {
                    [only] => self.reject(*only, rejection),
                    several => self.split(several, &rejection),
                }
            }
        }
        members.clear();
        self.setup.runners[handler].members[slot] = members;
    }

    /// A single delivery failed.
    pub(super) fn reject(&mut self, id: u32, rejection: Rejection) {
        let is_leaving = self.is_leaving(id);
        let Some(entry) = self.held.get_mut(id) else { return };
        let runner = &self.setup.runners[entry.handler];
        let policy = &runner.policy;
        if !self.calm {
            let handler = entry.handler;
            match rejection.outcome {
                Outcome::Ack | Outcome::Discard => self.worked(),
                Outcome::DeadLetter if rejection.reason == Reason::Failed => self.worked(),
                Outcome::Retry { .. } if entry.attempt < policy.attempts => self.probe_failed(handler),
                Outcome::Retry { .. } | Outcome::DeadLetter => {}
            }
        }
        let Some(entry) = self.held.get_mut(id) else { return };
        let runner = &self.setup.runners[entry.handler];
        let policy = &runner.policy;
        match rejection.outcome {
            Outcome::Ack => {
                self.refuse(id, rejection.reason.as_str(), &rejection.error);
                self.settle(id, End::Handled);
            }
            Outcome::Discard => {
                self.refuse(id, DISCARDED, &rejection.error);
                self.settle(id, End::Discarded);
            }
            Outcome::Retry { .. } if entry.attempt < policy.attempts && is_leaving => {
                self.give_back(id);
            }
            Outcome::Retry { after } if entry.attempt < policy.attempts => {
                let wait = match after {
                    Some(after) => after.min(LONGEST_AFTER),
                    None => delay(&policy.backoff, entry.attempt, fastrand::u32(..)),
                };
                tracing::debug!(
                    messaging.destination.name = %entry.delivery.topic,
                    messaging.consumer.group.name = %self.setup.subscription.group,
                    messaging.message.id = %id_of(&entry.delivery),
                    attempt = entry.attempt,
                    ?wait,
                    error = rejection.error,
                    "the attempt failed and will be repeated"
                );
                entry.failed_at.get_or_insert_with(SystemTime::now);
                let attempt = entry.attempt;
                // The next attempt renews it.
                entry.is_claimed = false;
                entry.attempt += 1;
                // A batch of one that failed is run again alone, too.
                entry.solo |= runner.is_batch();
                entry.stage = Stage::Sleeping;
                self.tally.retried += 1;
                // A request that will not be repeated in time need not hold its lane for longer. The delay is a floor, and
                // a round may take long: it counts from here, not from where the round began.
                self.retries.sleep(id, (self.clock.now() + wait).min(entry.expires));
                if self.observing.is_some() {
                    self.observe_retry(id, attempt, wait);
                }
            }
            Outcome::Retry { .. } if self.is_kept(id) => {}
            Outcome::Retry { .. } | Outcome::DeadLetter => {
                let Some(entry) = self.held.get(id) else { return };
                // What could not be read was never run.
                let attempts = entry.attempt - u32::from(rejection.reason == Reason::Undecodable);
                self.bury(id, rejection.reason, &rejection.error, attempts);
            }
        }
    }

    /// A batch failed: its members are run again one by one, so that one of them takes no other with it.
    pub(super) fn split(&mut self, members: &[u32], rejection: &Rejection) {
        tracing::debug!(
            messaging.destination.name = %self.setup.subscription.filter,
            messaging.consumer.group.name = %self.setup.subscription.group,
            messaging.batch.message_count = members.len(),
            error = rejection.error,
            "the batch failed and will be repeated item by item"
        );
        let is_over = self.is_settled_first(members);
        for id in members {
            if is_over {
                self.bury(*id, rejection.reason, &rejection.error, 1);
                continue;
            }
            if self.is_leaving(*id) {
                self.give_back(*id);
                continue;
            }
            let Some(entry) = self.held.get_mut(*id) else { continue };
            let policy = &self.setup.runners[entry.handler].policy;
            let wait = match rejection.outcome {
                Outcome::Retry { after: Some(after) } => Some(after.min(LONGEST_AFTER)),
                Outcome::Retry { after: None } => {
                    Some(delay(&policy.backoff, entry.attempt, fastrand::u32(..)))
                }
                Outcome::Ack | Outcome::DeadLetter | Outcome::Discard => None,
            };
            entry.failed_at.get_or_insert_with(SystemTime::now);
            let attempt = entry.attempt;
            entry.attempt = (entry.attempt + 1).min(policy.attempts);
            entry.solo = true;
            entry.stage = Stage::Waiting;
            self.tally.retried += 1;
            let is_head = self.lanes.is_head(*id);
            if self.observing.is_some() {
                self.observe_retry(*id, attempt, wait.filter(|_| is_head).unwrap_or_default());
            }
            if !is_head {
                continue;
            }
            match wait {
                Some(wait) => {
                    if let Some(entry) = self.held.get_mut(*id) {
                        entry.stage = Stage::Sleeping;
                    }
                    self.retries.sleep(*id, self.clock.now() + wait);
                }
                None => self.enqueue(*id),
            }
        }
    }
}

fn deliveries<'a>(ids: &[u32], held: &'a Held) -> impl Iterator<Item = &'a Delivery> {
    ids.iter().filter_map(|id| Some(&held.get(*id)?.delivery))
}

fn incoming_of<'a>(entry: &'a Entry, scope: &'a Arc<Scope>) -> Incoming<'a> {
    incoming(&entry.delivery, entry.event, entry.attempt, scope)
}

fn incoming<'a>(
    delivery: &'a Delivery,
    event: Option<&'static EventDescriptor>,
    attempt: u32,
    scope: &'a Arc<Scope>,
) -> Incoming<'a> {
    Incoming { delivery, event, attempt, scope, published: OnceCell::new() }
}

pub(super) fn id_of(delivery: &Delivery) -> std::borrow::Cow<'_, str> {
    delivery.message.attribute(Attribute::Id).map(String::from_utf8_lossy).unwrap_or_default()
}
