//! What follows a handler's run and takes time: publishing what it returned, and writing a dead letter.
//!
//! An effect outlives the attempt: it keeps its deliveries held, but gives the handler's slot back.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    backend::{Attribute, Confirmation, Outgoing, Publishing},
    clock::Moment,
    dispatch::{
        retry::{RetryClock, delay},
        slots::Slots,
    },
    error::{Error, Result},
    layer::Trail,
    outlet::Outlet,
    outputs::Reason,
    policy::Backoff,
};

/// How long the retries of a publication wait, outputs and dead letters alike: 1 s to 30 s. Jitter takes up to half.
pub(crate) const RETRY: Backoff =
    Backoff { min: Duration::from_secs(2), max: Duration::from_secs(30), jitter: true };

#[derive(Debug)]
pub(crate) struct Effect {
    /// The deliveries that are settled when it is done.
    pub(crate) members: Vec<u32>,
    pub(crate) purpose: Purpose,
    /// What is not confirmed yet, in order.
    queue: VecDeque<Outgoing>,
    publishing: Option<Publishing>,
    /// What was confirmed.
    confirmed: Vec<Outgoing>,
    failures: u32,
    /// Of what is not confirmed yet, where there are layers.
    pub(crate) trails: VecDeque<Trail>,
    /// Where the last that was confirmed is stored.
    stored: Confirmation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What a handler returned.
    Outputs,
    /// A dead letter with this reason.
    DeadLetter(Reason),
}

impl Effect {
    /// An effect whose first `confirmed` publications are done, and whose next may be under way.
    pub(crate) fn resume(
        members: &[u32],
        purpose: Purpose,
        queue: impl Iterator<Item = Outgoing>,
        confirmed: usize,
        publishing: Option<Publishing>,
    ) -> Self {
        let mut queue: VecDeque<_> = queue.collect();
        let confirmed = queue.drain(..confirmed).collect();
        let (trails, stored) = (VecDeque::new(), Confirmation::default());
        Self { members: members.to_vec(), purpose, queue, publishing, confirmed, failures: 0, trails, stored }
    }

    /// The last that was confirmed, and where it is stored.
    pub(crate) fn last(&self) -> Option<(&Outgoing, Confirmation)> {
        Some((self.confirmed.last()?, self.stored))
    }

    /// What failed, and what was published before it.
    pub(crate) fn told(&self, error: &Error) -> String {
        let mut text = format!("{error} (topic {})", self.topic());
        if !self.confirmed.is_empty() {
            text.push_str("; published before it:");
        }
        for outgoing in &self.confirmed {
            let id =
                outgoing.message.attribute(Attribute::Id).map(String::from_utf8_lossy).unwrap_or_default();
            text.extend([" ", &id, " on ", outgoing.topic.as_str()]);
        }
        text
    }

    /// Whether a publication of it failed before.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// The topic that is being published on.
    pub(crate) fn topic(&self) -> &str {
        self.queue.front().map_or("", |outgoing| &outgoing.topic)
    }

    /// Sends what is left, one after the other, so that an order of keys holds whatever fails.
    pub(crate) fn poll(&mut self, outlet: &Outlet, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(next) = self.queue.front() {
            let publishing = self.publishing.get_or_insert_with(|| outlet.send(next.clone()));
            let answer = match publishing.now() {
                Some(answer) => answer,
                None => std::task::ready!(std::pin::Pin::new(publishing).poll(cx)),
            };
            self.publishing = None;
            self.stored = answer?;
            if let Some(trail) = self.trails.pop_front() {
                trail.end(Ok(&self.stored));
            }
            outlet.count(&next.topic);
            self.confirmed.extend(self.queue.pop_front());
        }
        Poll::Ready(Ok(()))
    }
}

/// The effects of a subscription that are under way.
#[derive(Debug)]
pub(crate) struct Effects {
    slots: Slots,
    effects: Vec<Option<Effect>>,
    sleeping: RetryClock,
    woken: Vec<usize>,
}

impl Effects {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            slots: Slots::new(count),
            effects: std::iter::repeat_with(|| None).take(count).collect(),
            sleeping: RetryClock::with_capacity(0),
            woken: Vec::new(),
        }
    }

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.slots.register(waker);
    }

    /// Keeps an effect that could not be finished at once, and polls it in the next round.
    pub(crate) fn add(&mut self, effect: Effect) {
        if let Some(slot) = self.slots.acquire() {
            self.effects[slot] = Some(effect);
            self.slots.mark(slot);
        } else {
            // There is a slot for every held delivery, and each is a member of at most one effect.
            tracing::error!(
                "no slot for an effect; its deliveries stay unsettled and come again after a restart"
            );
        }
    }

    /// Polls every effect that was woken or slept long enough; gives back those that are done or failed.
    pub(crate) fn poll(&mut self, outlet: &Outlet, now: Moment, into: &mut Vec<(Effect, Result<()>)>) {
        while let Some(id) = self.sleeping.wake(now) {
            self.slots.mark(id as usize);
        }
        if self.slots.busy() == 0 {
            return;
        }
        let mut woken = std::mem::take(&mut self.woken);
        woken.clear();
        self.slots.take_woken(&mut woken);
        for slot in woken.drain(..) {
            let Some(effect) = &mut self.effects[slot] else { continue };
            let polled = effect.poll(outlet, &mut Context::from_waker(self.slots.waker(slot)));
            if let Poll::Ready(result) = polled {
                self.slots.release(slot);
                into.extend(self.effects[slot].take().map(|effect| (effect, result)));
            }
        }
        self.woken = woken;
    }

    /// Sends an effect to sleep until it is tried again; says for how long.
    pub(crate) fn again(&mut self, mut effect: Effect, now: Moment) -> Duration {
        effect.failures += 1;
        let wait = delay(&RETRY, effect.failures, fastrand::u32(..));
        if let Some(slot) = self.slots.acquire() {
            self.effects[slot] = Some(effect);
            if let Ok(id) = u32::try_from(slot) {
                self.sleeping.sleep(id, now + wait);
            }
        }
        wait
    }

    /// When the next one wants to be tried again.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.sleeping.next()
    }

    /// Takes deliveries out of their effects; an effect without deliveries ends.
    pub(crate) fn forget(&mut self, gone: impl Fn(u32) -> bool) {
        for slot in 0..self.effects.len() {
            let Some(effect) = &mut self.effects[slot] else { continue };
            effect.members.retain(|id| !gone(*id));
            if effect.members.is_empty() {
                self.effects[slot] = None;
                self.slots.release(slot);
                if let Ok(id) = u32::try_from(slot) {
                    self.sleeping.cancel(id);
                }
            }
        }
    }
}

/// Whether publishing again can help: a permanent failure becomes a dead letter.
pub(crate) fn is_permanent(error: &Error) -> bool {
    !error.is_transient()
}
