//! Attempts: starting, polling, and what a failed one means.

use std::{
    cell::OnceCell,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use super::{End, Phase, Worker};
use crate::{
    backend::{Attribute, Delivery, Subscription},
    dispatch::{
        held::{Entry, Stage},
        retry::{LONGEST_AFTER, delay},
        runner::Runner,
    },
    envelope::{Cause, split_kind},
    input::{Arrival, Incoming},
    outcome::Outcome,
    outputs::{Outbox, Rejection},
    scope::Scope,
};

impl Worker {
    pub(super) fn wake_due(&mut self) -> bool {
        let mut progress = false;
        while let Some(id) = self.retries.wake(self.now) {
            if let Some(entry) = self.held.get_mut(id) {
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

    pub(super) fn launch(&mut self, cx: &Context<'_>) -> bool {
        let mut progress = false;
        if !self.is_starting() {
            return false;
        }
        let flush = self.phase == Phase::Ending;
        for handler in 0..self.setup.runners.len() {
            while let Some(id) = self.setup.runners[handler].next(self.now, flush) {
                let doom = self.held.get_mut(id).and_then(|entry| entry.doom.take());
                if let Some(doom) = doom {
                    self.setup.runners[handler].skip();
                    let (reason, error) = *doom;
                    self.bury(id, reason, &error, 0);
                    progress = true;
                    continue;
                }
                let runner = &mut self.setup.runners[handler];
                let Some(slot) = runner.acquire(cx.waker()) else { break };
                runner.gather(slot, &self.held, &self.lanes, self.now);
                self.start(handler, slot);
                progress = true;
            }
        }
        progress
    }

    pub(super) fn start(&mut self, handler: usize, slot: usize) {
        let Self { setup, held, .. } = self;
        let Runner { scope, attempts, members, spans, .. } = &mut setup.runners[handler];
        for id in &members[slot] {
            if let Some(entry) = held.get_mut(*id) {
                entry.stage = Stage::Running;
            }
        }
        let (started, rejected) = match &members[slot][..] {
            [only] => {
                let Some(entry) = held.get(*only) else { return };
                spans[slot] = span(&setup.subscription, scope, entry, 1);
                let _entered = spans[slot].enter();
                let item = incoming(entry, scope);
                let arrival = Arrival::new(std::slice::from_ref(&item));
                (attempts.start(slot, &arrival), arrival.rejected.into_inner())
            }
            batch => {
                let items: Vec<_> =
                    batch.iter().filter_map(|id| Some(incoming(held.get(*id)?, scope))).collect();
                let Some(entry) = batch.first().and_then(|id| held.get(*id)) else { return };
                spans[slot] = span(&setup.subscription, scope, entry, items.len());
                let _entered = spans[slot].enter();
                let arrival = Arrival::new(&items);
                (attempts.start(slot, &arrival), arrival.rejected.into_inner())
            }
        };
        // Members of a batch that do not decode take no other with them.
        let rejected: Vec<_> = rejected.into_iter().map(|(at, why)| (members[slot][at], why)).collect();
        if !rejected.is_empty() {
            members[slot].retain(|id| rejected.iter().all(|(gone, _)| gone != id));
        }
        let empty = members[slot].is_empty();
        for (id, why) in rejected {
            self.bury(id, why.reason, &why.error, 0);
        }
        match started {
            _ if empty => self.setup.runners[handler].release(slot),
            Err(rejection) => self.finish(handler, slot, Err(rejection)),
            Ok(()) => {
                if self.poll_slot(handler, slot) {
                    return;
                }
                let runner = &mut self.setup.runners[handler];
                if let Some(timeout) = runner.policy.timeout {
                    runner.slots.arm(slot, self.now + timeout);
                }
            }
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
        let Runner { scope, attempts, members, slots, spans, .. } = &mut setup.runners[handler];
        let Some(first) = members[slot].first().and_then(|id| held.get(*id)) else { return false };
        let mut outbox = Outbox { scope, cause: Cause { delivery: &first.delivery }, index: 0, outgoing };
        let polled = {
            let _entered = spans[slot].enter();
            attempts.poll(slot, &mut Context::from_waker(slots.waker(slot)), &mut outbox)
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
        runner.release(slot);
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
        let Some(entry) = self.held.get_mut(id) else { return };
        let policy = &self.setup.runners[entry.handler].policy;
        match rejection.outcome {
            Outcome::Ack => self.settle(id, End::Handled),
            Outcome::Discard => self.settle(id, End::Discarded),
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
                entry.attempt += 1;
                entry.stage = Stage::Sleeping;
                self.tally.retried += 1;
                self.retries.sleep(id, self.now + wait);
            }
            Outcome::Retry { .. } | Outcome::DeadLetter => {
                let attempts = entry.attempt;
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
        for id in members {
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
            entry.attempt = (entry.attempt + 1).min(policy.attempts);
            entry.solo = true;
            entry.stage = Stage::Waiting;
            self.tally.retried += 1;
            if !self.lanes.is_head(*id) {
                continue;
            }
            match wait {
                Some(wait) => {
                    entry.stage = Stage::Sleeping;
                    self.retries.sleep(*id, self.now + wait);
                }
                None => self.enqueue(*id),
            }
        }
    }
}

fn incoming<'a>(entry: &'a Entry, scope: &'a Arc<Scope>) -> Incoming<'a> {
    let (name, version, assumed) = match entry.event {
        Some(event) => (Some(event.name), event.version, event.name),
        None => {
            let kind = entry.delivery.message.attribute(Attribute::Type);
            let kind = kind.and_then(|kind| std::str::from_utf8(kind).ok());
            let (name, version) = kind.map_or((None, 1), |kind| {
                let (name, version) = split_kind(kind);
                (Some(name), version)
            });
            (name, version, "")
        }
    };
    let published = OnceCell::new();
    Incoming { delivery: &entry.delivery, name, version, assumed, attempt: entry.attempt, scope, published }
}

/// A span around every poll of an attempt, with OpenTelemetry's names; free while nobody listens.
fn span(subscription: &Subscription, scope: &Scope, entry: &Entry, count: usize) -> tracing::Span {
    tracing::info_span!(
        "process",
        messaging.operation.name = "process",
        messaging.system = scope.outlet.backend.system(),
        messaging.destination.name = %entry.delivery.topic,
        messaging.consumer.group.name = %subscription.group,
        messaging.message.id = %id_of(&entry.delivery),
        messaging.batch.message_count = (count > 1).then_some(count),
        handler = scope.handler,
        attempt = entry.attempt,
    )
}

pub(super) fn id_of(delivery: &Delivery) -> std::borrow::Cow<'_, str> {
    delivery.message.attribute(Attribute::Id).map(String::from_utf8_lossy).unwrap_or_default()
}
