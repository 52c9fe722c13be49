//! One handler in one subscription: its slots, and the deliveries that wait for one.

use std::{collections::VecDeque, fmt, sync::Arc, task::Waker, time::Duration};

use tracing::Span;

use crate::{
    attempts::Attempts,
    clock::Moment,
    dispatch::{
        held::{Held, Stage},
        lanes::Lanes,
        permits::Permits,
        slots::Slots,
    },
    handler::HandlerDescriptor,
    policy::{Guarantee, Policy},
    scope::Scope,
};

pub(crate) struct Runner {
    pub(crate) scope: Arc<Scope>,
    pub(crate) policy: Policy,
    pub(crate) attempts: Box<dyn Attempts>,
    pub(crate) slots: Slots,
    /// A slot that is kept for deliveries that finish in their first poll, one after the other.
    pub(crate) express: Option<usize>,
    /// What runs in each slot: one delivery, or a batch.
    pub(crate) members: Vec<Vec<u32>>,
    pub(crate) spans: Vec<Span>,
    /// Heads of lanes that wait for a slot.
    runnable: VecDeque<u32>,
    /// The same, for members of a failed batch, which run alone.
    solo: VecDeque<u32>,
    batch: Option<Assembly>,
    permits: Option<Arc<Permits>>,
    /// Nothing of it starts until it is resumed.
    pub(crate) paused: bool,
    /// There is neither a batch to collect nor a permit or a claim to ask for, and what runs is settled afterwards.
    direct: bool,
}

/// The batch that is being collected.
struct Assembly {
    max: usize,
    wait: Duration,
    /// Deliveries of this handler that wait and are not solo, those behind a head included.
    waiting: usize,
    /// When the first of them began to wait.
    since: Option<Moment>,
}

impl Runner {
    /// A runner of the handler under a policy, which need not be the one that its attribute says, with `count` slots: the
    /// policy's `concurrency`, or a worker's share of it.
    pub(crate) fn new(
        handler: &HandlerDescriptor,
        policy: Policy,
        scope: Arc<Scope>,
        permits: Option<Arc<Permits>>,
        count: usize,
    ) -> Self {
        let settles_first = policy.delivery == Guarantee::AtMostOnce;
        let batch = handler.batch.then(|| Assembly {
            max: (policy.batch_max as usize).max(1),
            wait: policy.batch_wait,
            waiting: 0,
            since: None,
        });
        Self {
            scope,
            policy,
            attempts: (handler.attempts)(count),
            slots: Slots::new(count),
            express: None,
            members: (0..count).map(|_| Vec::new()).collect(),
            spans: (0..count).map(|_| Span::none()).collect(),
            runnable: VecDeque::new(),
            solo: VecDeque::new(),
            paused: false,
            direct: batch.is_none() && permits.is_none() && !settles_first && policy.dedupe.is_none(),
            batch,
            permits,
        }
    }

    /// Whether a delivery that arrives may run at once: none is in line before it, none is waited for, and no other
    /// subscription shares the handler's permits.
    pub(crate) fn is_idle(&self) -> bool {
        self.direct && self.runnable.is_empty()
    }

    /// How many attempts are running.
    pub(crate) fn running(&self) -> usize {
        self.slots.busy() - usize::from(self.express.is_some())
    }

    /// Whether the handler takes several deliveries at once.
    pub(crate) const fn is_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Notes that a delivery of this handler arrived.
    pub(crate) fn arrived(&mut self) {
        if let Some(batch) = &mut self.batch {
            batch.waiting += 1;
        }
    }

    /// Puts the head of a lane in line for a slot.
    pub(crate) fn enqueue(&mut self, id: u32, solo: bool, now: Moment) {
        if solo {
            self.solo.push_back(id);
            return;
        }
        self.runnable.push_back(id);
        if let Some(batch) = &mut self.batch {
            batch.since.get_or_insert(now);
        }
    }

    /// The delivery that is to run next, if one may start now. `flush` does not wait for a batch to fill.
    pub(crate) fn next(&self, now: Moment, flush: bool) -> Option<u32> {
        if let Some(id) = self.solo.front() {
            return Some(*id);
        }
        let id = *self.runnable.front()?;
        match &self.batch {
            Some(batch) if !flush && !batch.is_due(now) => None,
            _ => Some(id),
        }
    }

    /// When the batch that is being collected must start. One that is due and has not started waits for a slot or a
    /// permit, not for a moment.
    pub(crate) fn batch_due(&self, now: Moment) -> Option<Moment> {
        let batch = self.batch.as_ref().filter(|_| !self.runnable.is_empty())?;
        batch.since.map(|since| since + batch.wait).filter(|due| *due > now)
    }

    /// Takes a slot and, where the handler is shared by subscriptions, a permit.
    pub(crate) fn acquire(&mut self, waker: &Waker) -> Option<usize> {
        let slot = self.express.take().or_else(|| self.slots.acquire())?;
        if self.permits.as_ref().is_none_or(|permits| permits.acquire(waker)) {
            return Some(slot);
        }
        self.slots.release(slot);
        None
    }

    pub(crate) fn release(&mut self, slot: usize) {
        self.slots.release(slot);
        if !self.spans[slot].is_none() {
            self.spans[slot] = Span::none();
        }
        if let Some(permits) = &self.permits {
            permits.release();
        }
    }

    /// Takes the delivery in line out of it, when it is not to run.
    pub(crate) fn skip(&mut self) -> Option<u32> {
        match self.solo.pop_front() {
            Some(id) => Some(id),
            None => self.pop(),
        }
    }

    /// Moves what is to run next into a slot: one delivery, or a batch with the runs of each lane in their order.
    pub(crate) fn gather(&mut self, slot: usize, held: &Held, lanes: &Lanes, now: Moment) {
        self.members[slot].clear();
        if let Some(id) = self.solo.pop_front() {
            self.members[slot].push(id);
            return;
        }
        let max = self.batch.as_ref().map_or(1, |batch| batch.max);
        while self.members[slot].len() < max {
            let Some(head) = self.runnable.front().copied() else { break };
            let doomed = |id| held.get(id).is_none_or(|entry| entry.doom.is_some());
            if doomed(head) {
                break;
            }
            self.runnable.pop_front();
            let mut lane = Some(head);
            while let Some(id) = lane.filter(|_| self.members[slot].len() < max) {
                self.members[slot].push(id);
                let fresh = |id: &u32| held.get(*id).is_some_and(|e| e.stage == Stage::Waiting && !e.solo);
                lane = if max == 1 { None } else { lanes.next(id).filter(|id| fresh(id) && !doomed(*id)) };
            }
        }
        let taken = self.members[slot].len();
        if let Some(batch) = &mut self.batch {
            batch.waiting = batch.waiting.saturating_sub(taken);
            batch.since = (!self.runnable.is_empty()).then_some(now);
        }
    }

    /// Forgets deliveries that went away while they waited.
    pub(crate) fn forget(&mut self, gone: impl Fn(u32) -> bool, waiting: usize) {
        self.runnable.retain(|id| !gone(*id));
        self.solo.retain(|id| !gone(*id));
        if let Some(batch) = &mut self.batch {
            batch.waiting = batch.waiting.saturating_sub(waiting);
            if self.runnable.is_empty() {
                batch.since = None;
            }
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let id = self.runnable.pop_front();
        if let Some(batch) = &mut self.batch {
            batch.waiting = batch.waiting.saturating_sub(1);
        }
        id
    }
}

impl Assembly {
    fn is_due(&self, now: Moment) -> bool {
        self.waiting >= self.max || self.since.is_some_and(|since| since + self.wait <= now)
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("handler", &self.scope.handler)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
