//! Settlement, and giving deliveries up unsettled.

use std::collections::HashSet;

use super::{End, Revocation, Worker};
use crate::{
    backend::{Partitions, Token},
    dispatch::held::Stage,
};

impl Worker {
    pub(super) fn settle(&mut self, id: u32, end: End) {
        if self.repeats.is_some() && self.conclude(id, end) {
            return;
        }
        let Some(entry) = self.held.remove(id) else { return };
        match end {
            End::Handled => {
                self.tally.handled += 1;
                if !self.calm {
                    self.worked();
                }
            }
            End::Discarded => self.tally.discarded += 1,
            End::DeadLettered => self.tally.dead_lettered += 1,
            End::Repeated => self.tally.repeats += 1,
            End::Expired => self.tally.expired += 1,
        }
        if !entry.is_settled && self.marks.settle(entry.delivery.token, entry.ticket) {
            self.settled.push(entry.delivery.token);
        }
        if let Some(next) = self.lanes.remove(id) {
            self.enqueue(next);
        }
    }

    /// Settles what is in a slot before it runs, and tells so: it will not come again.
    pub(super) fn settle_first(&mut self, handler: usize, slot: usize) {
        for id in &self.setup.runners[handler].members[slot] {
            let Some(entry) = self.held.get_mut(*id) else { continue };
            if !std::mem::replace(&mut entry.is_settled, true)
                && self.marks.settle(entry.delivery.token, entry.ticket)
            {
                self.settled.push(entry.delivery.token);
            }
        }
        self.tell();
    }

    /// Whether deliveries were settled before they ran.
    pub(super) fn is_settled_first(&self, members: &[u32]) -> bool {
        members.first().and_then(|id| self.held.get(*id)).is_some_and(|entry| entry.is_settled)
    }

    /// Settles a delivery that never was in the window.
    pub(super) fn pass(&mut self, token: Token) {
        self.marks.pass(token);
        self.settled.push(token);
    }

    /// Tells the consumer what is settled, once per round.
    pub(super) fn tell(&mut self) {
        self.tally.store(&self.setup.counters);
        if self.settled.is_empty() {
            return;
        }
        self.marks.floors(&mut self.floors);
        self.setup.consumer.settle(&self.settled, &self.floors);
        self.settled.clear();
        self.floors.clear();
    }

    /// Drops deliveries unsettled: those that wait or sleep, and, where asked, those that run or publish.
    pub(super) fn abandon(&mut self, partitions: &Partitions, running_too: bool) {
        let mut gone: HashSet<u32> = self
            .held
            .iter()
            .filter(|(_, entry)| partitions.contains(entry.delivery.token.partition))
            .filter(|(_, entry)| running_too || !entry.is_under_way())
            .map(|(id, _)| id)
            .collect();
        if gone.is_empty() {
            return;
        }
        let left = self.interrupt(&mut gone);
        for (handler, runner) in self.setup.runners.iter_mut().enumerate() {
            let waits = |id: &&u32| {
                let entry = self.held.get(**id);
                entry.is_some_and(|e| e.handler == handler && e.stage == Stage::Waiting && !e.solo)
            };
            runner.forget(|id| gone.contains(&id), gone.iter().filter(waits).count());
        }
        self.effects.forget(|id| gone.contains(&id));
        if let Some(repeats) = &mut self.repeats {
            repeats.errands.forget(|id| gone.contains(&id));
        }
        let mut heads = Vec::new();
        for id in &gone {
            let Some(entry) = self.held.remove(*id) else { continue };
            if entry.stage == Stage::Sleeping {
                self.retries.cancel(*id);
            }
            self.let_go(*id, &entry);
            heads.extend(self.lanes.remove(*id));
        }
        for id in left {
            if self.lanes.is_head(id) && !heads.contains(&id) {
                heads.push(id);
            }
        }
        // A lane may go on with a delivery of another partition.
        heads.into_iter().filter(|id| !gone.contains(id)).for_each(|id| self.enqueue(id));
    }

    /// Ends every run of which a member is gone, and returns what is left of batches, which begins again with its
    /// attempt not spent: a batch works on what is gone as well, and that may run elsewhere already.
    fn interrupt(&mut self, gone: &mut HashSet<u32>) -> Vec<u32> {
        let mut left = Vec::new();
        for runner in &mut self.setup.runners {
            for slot in 0..runner.members.len() {
                if runner.slots.is_busy(slot) && runner.members[slot].iter().any(|id| gone.contains(id)) {
                    runner.attempts.cancel(slot);
                    runner.release(slot);
                    left.append(&mut runner.members[slot]);
                }
            }
        }
        gone.extend(left.iter().copied().filter(|id| self.is_leaving(*id)));
        left.retain(|id| !gone.contains(id));
        for id in &left {
            if let Some(entry) = self.held.get_mut(*id) {
                entry.stage = Stage::Waiting;
                self.setup.runners[entry.handler].arrived();
            }
        }
        left
    }

    /// Whether nothing of a delivery starts here any more: the bus stops, or its partition goes to another instance.
    pub(super) fn is_leaving(&self, id: u32) -> bool {
        let goes =
            |partition| self.revocations.iter().any(|revocation| revocation.partitions.contains(partition));
        !self.is_starting() || self.held.get(id).is_some_and(|entry| goes(entry.delivery.token.partition))
    }

    /// Drops one delivery unsettled, whose attempt failed and cannot be repeated here.
    pub(super) fn give_back(&mut self, id: u32) {
        if let Some(entry) = self.held.remove(id) {
            self.let_go(id, &entry);
        }
        if let Some(next) = self.lanes.remove(id) {
            self.enqueue(next);
        }
    }

    /// Tells the consumer what is known of what is given back.
    pub(super) fn pass_on(&mut self) {
        if !self.notes.is_empty() {
            self.setup.consumer.note(&self.notes);
            self.notes.clear();
        }
    }

    /// Gives up partitions of which nothing is left.
    pub(super) fn revoke(&mut self) -> bool {
        let mut progress = false;
        let mut at = 0;
        while let Some(revocation) = self.revocations.get(at) {
            let (deadline, partitions) = (revocation.deadline, &revocation.partitions);
            let left = self.held.iter().any(|(_, entry)| partitions.contains(entry.delivery.token.partition));
            if left && deadline > self.now {
                at += 1;
                continue;
            }
            let Revocation { partitions, .. } = self.revocations.remove(at);
            self.abandon(&partitions, true);
            self.tell();
            self.pass_on();
            self.setup.consumer.release(&partitions);
            self.marks.forget(&partitions);
            progress = true;
        }
        progress
    }
}
