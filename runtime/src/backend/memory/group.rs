//! A group: its place in every partition of its topics, and the members that share them.

use std::{
    collections::VecDeque,
    task::{Context, Waker},
};

use super::{broker::Channel, caught_up::Watcher, progress::Progress, wakes::Wakes};
use crate::backend::{Delivery, Intake, Partitions, Position, Room, Token, Topic};

/// A group on one filter. It is the broker's, and outlives its members.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) filter: Topic,
    /// Every partition of every topic that the filter receives; the index is the partition in tokens.
    pub(super) shares: Vec<Share>,
    /// In the order of joining, thus of ids.
    pub(super) members: Vec<Member>,
    pub(super) watchers: Vec<Watcher>,
}

/// The group's share in one partition of one topic.
#[derive(Debug)]
pub(super) struct Share {
    channel: usize,
    partition: usize,
    pub(super) progress: Progress,
    pub(super) stage: Stage,
    /// The member that has it, unless it is free.
    pub(super) owner: u64,
    /// Counts assignments.
    pub(super) generation: u32,
    /// The next position to deliver.
    next: u64,
    /// From here on nothing was settled when the owner got it.
    fresh: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody's.
    Free,
    /// The owner knows of nothing in it.
    Idle,
    /// It is in the owner's queue.
    Queued,
    /// The owner is to give it up; it may still settle.
    Leaving,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: u64,
    /// Shares that may have something to deliver.
    queue: VecDeque<usize>,
    /// Shares to give up, of which the member was not told.
    revoked: Vec<u32>,
    /// Set while the member is parked.
    waker: Option<Waker>,
    /// Whether it parked with room.
    hungry: bool,
}

impl Group {
    pub(super) const fn new(name: String, filter: Topic) -> Self {
        Self { name, filter, shares: Vec::new(), members: Vec::new(), watchers: Vec::new() }
    }

    /// Takes the partitions of a channel in, each from its cursor on, and says which share is the first of them.
    pub(super) fn add(&mut self, channel: usize, cursors: impl Iterator<Item = u64>) -> usize {
        let first = self.shares.len();
        self.shares.extend(cursors.enumerate().map(|(partition, cursor)| Share {
            channel,
            partition,
            progress: Progress::at(cursor),
            stage: Stage::Free,
            owner: 0,
            generation: 0,
            next: cursor,
            fresh: cursor,
        }));
        first
    }

    /// Takes note that something was published in a share's partition.
    #[inline]
    pub(super) fn published(&mut self, share: usize, wakes: &mut Wakes) {
        if self.shares[share].stage == Stage::Idle {
            self.enqueue(share, wakes);
        }
    }

    /// What a member is told next; `None` parks it. The second is a waker to be dropped without the lock.
    pub(super) fn poll(
        &mut self,
        id: u64,
        channels: &[Channel],
        cx: &Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> (Option<Intake>, Option<Waker>) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else {
            return (None, None);
        };
        let parked = member.waker.take();
        if !member.revoked.is_empty() {
            return (Some(Intake::Revoking(Partitions::These(std::mem::take(&mut member.revoked)))), parked);
        }
        if member.deliver(&mut self.shares, channels, room, into) {
            return (Some(Intake::Deliveries), parked);
        }
        member.hungry = !room.is_empty();
        match parked {
            Some(parked) if parked.will_wake(cx.waker()) => {
                member.waker = Some(parked);
                (None, None)
            }
            parked => {
                member.waker = Some(cx.waker().clone());
                (None, parked)
            }
        }
    }

    /// Settles what a member still owns, and says whether a cursor moved.
    pub(super) fn settle(&mut self, id: u64, settled: &[Token]) -> bool {
        let mut moved = false;
        for token in settled {
            if let Some(share) = self.shares.get_mut(token.partition as usize)
                && share.generation == token.generation
                && share.is_owned_by(id)
                && token.position < share.next
            {
                moved |= share.progress.settle(token.position);
            }
        }
        moved
    }

    pub(super) fn join(&mut self, id: u64, wakes: &mut Wakes) {
        let member = Member { id, queue: VecDeque::new(), revoked: Vec::new(), waker: None, hungry: false };
        self.members.push(member);
        self.rebalance(wakes);
    }

    /// Frees everything a member has; the member is to be dropped without the lock, for its waker's sake.
    pub(super) fn leave(&mut self, id: u64, wakes: &mut Wakes) -> Option<Member> {
        let at = self.members.iter().position(|member| member.id == id)?;
        let member = self.members.remove(at);
        for share in self.shares.iter_mut().filter(|share| share.is_owned_by(id)) {
            share.stage = Stage::Free;
        }
        self.rebalance(wakes);
        Some(member)
    }

    /// Frees some of what a member has.
    pub(super) fn release(&mut self, id: u64, partitions: &Partitions, wakes: &mut Wakes) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else { return };
        for (number, share) in (0..).zip(&mut self.shares) {
            if share.is_owned_by(id) && partitions.contains(number) {
                share.stage = Stage::Free;
            }
        }
        let shares = &self.shares;
        member.queue.retain(|share| shares[*share].stage == Stage::Queued);
        member.revoked.retain(|share| shares[*share as usize].stage == Stage::Leaving);
        self.rebalance(wakes);
    }

    /// Gives a free share to a member.
    pub(super) fn assign(&mut self, share: usize, id: u64, wakes: &mut Wakes) {
        let it = &mut self.shares[share];
        (it.owner, it.generation) = (id, it.generation.wrapping_add(1));
        (it.next, it.fresh) = (it.progress.cursor(), it.progress.end());
        self.enqueue(share, wakes);
    }

    /// Asks the owner to give a share up.
    pub(super) fn revoke(&mut self, share: usize, wakes: &mut Wakes) {
        let it = &mut self.shares[share];
        it.stage = Stage::Leaving;
        let owner = it.owner;
        let Some(member) = self.members.iter_mut().find(|member| member.id == owner) else { return };
        member.queue.retain(|queued| *queued != share);
        member.revoked.extend(u32::try_from(share));
        wakes.wake(member.waker.take());
    }

    fn enqueue(&mut self, share: usize, wakes: &mut Wakes) {
        let it = &mut self.shares[share];
        it.stage = Stage::Queued;
        let owner = it.owner;
        let Some(member) = self.members.iter_mut().find(|member| member.id == owner) else { return };
        member.queue.push_back(share);
        if member.hungry {
            wakes.wake(member.waker.take());
        }
    }
}

impl Share {
    pub(super) fn is_owned_by(&self, id: u64) -> bool {
        self.stage != Stage::Free && self.owner == id
    }
}

impl Member {
    /// Delivers from its shares in turn, from each an equal part of the room. Says whether anything was appended.
    fn deliver(
        &mut self,
        shares: &mut [Share],
        channels: &[Channel],
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> bool {
        let before = into.len();
        let part = room.count.div_ceil(self.queue.len().max(1));
        let mut room = room;
        while !room.is_empty() {
            let Some(number) = self.queue.pop_front() else { break };
            let share = &mut shares[number];
            let alone = into.len() == before;
            match share.deliver(number, &channels[share.channel], part, alone, &mut room, into) {
                Rest::Nothing => share.stage = Stage::Idle,
                Rest::Some => self.queue.push_back(number),
                Rest::Cut => {
                    self.queue.push_front(number);
                    break;
                }
            }
        }
        into.len() > before
    }
}

/// What is left in a share after it delivered.
enum Rest {
    Nothing,
    /// Its part of the room is used.
    Some,
    /// The room was used before; it is the first of the next batch, or it would always be the last.
    Cut,
}

impl Share {
    /// Appends at most `part`. Where nothing was appended yet, the first may exceed the room's bytes.
    fn deliver(
        &mut self,
        number: usize,
        channel: &Channel,
        mut part: usize,
        mut alone: bool,
        room: &mut Room,
        into: &mut Vec<Delivery>,
    ) -> Rest {
        let (token_partition, of_topic) = (narrow(number), Some(narrow(self.partition)));
        for message in channel.log.read(self.partition, self.next) {
            if self.next < self.fresh && self.progress.is_settled(self.next) {
                self.next += 1;
                continue;
            }
            if part == 0 {
                return Rest::Some;
            }
            if room.count == 0 || (message.size() > room.bytes && !alone) {
                return Rest::Cut;
            }
            into.push(Delivery {
                token: Token { partition: token_partition, generation: self.generation, position: self.next },
                topic: channel.name.clone(),
                message: message.clone(),
                partition: of_topic,
                position: Some(Position::new(self.next)),
                past: None,
            });
            alone = false;
            part -= 1;
            self.next += 1;
            room.count -= 1;
            room.bytes = room.bytes.saturating_sub(message.size());
        }
        Rest::Nothing
    }
}

/// Partitions are numbered in 32 bits: nothing can hold more of them.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
