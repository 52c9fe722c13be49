//! Sharing one by one: deliveries go to whoever has room, or, of one key, to one member at a time.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    broker::Channel,
    group::{Group, Place},
    member::{Held, Look, Member},
    profile::Sharing,
    wakes::Wakes,
};
use crate::backend::{Delivery, Message, Room, Token};

/// The most that one member takes while there are others, so that those who come get something too.
const PREFETCH: usize = 250;

/// What nobody has taken yet, of a group that shares one by one: share and position.
#[derive(Debug, Default)]
pub(super) struct Pool {
    backlog: BTreeSet<(usize, u64)>,
}

impl Pool {
    pub(super) fn add(&mut self, Place { share, position }: Place) {
        self.backlog.insert((share, position));
    }
}

impl Group {
    /// Wakes whoever may have room for what is in the pool.
    pub(super) fn wake_hungry(&mut self, wakes: &mut Wakes) {
        for member in self.members.iter_mut().filter(|member| member.hungry) {
            wakes.wake(member.waker.take());
        }
    }

    /// Whether something in the pool may have become free for others.
    pub(super) fn waits_for_others(&self) -> bool {
        self.shares_one_by_one() && !self.pool.backlog.is_empty()
    }

    /// Delivers from the pool to one member, in the order of publishing; says whether anything was appended.
    pub(super) fn deliver_one_by_one(
        &mut self,
        id: u64,
        channels: &[Channel],
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> bool {
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return false };
        let (mut room, before) = (room, into.len());
        let most = self.part_of_one().saturating_sub(self.members[at].held.len());
        room.count = room.count.min(most);
        if room.is_empty() {
            return false;
        }
        let backlog: Vec<(usize, u64)> = self.pool.backlog.iter().copied().collect();
        for (number, position) in backlog {
            let share = &mut self.shares[number];
            let channel = &channels[share.channel];
            let message = channel.log.get(share.partition, position);
            let look = share.look(position, channel, &mut self.passed);
            let (Some(message), Look::Deliver(past)) = (message, look) else {
                self.pool.backlog.remove(&(number, position));
                continue;
            };
            if !self.is_for(at, number, message) {
                continue;
            }
            if room.count == 0 || (message.size() > room.bytes && into.len() > before) {
                break;
            }
            self.pool.backlog.remove(&(number, position));
            let member = &mut self.members[at];
            let tag = member.next_tag;
            member.next_tag += 1;
            member
                .held
                .insert(tag, Held { place: Place { share: number, position }, message: message.clone() });
            into.push(Delivery {
                token: Token { partition: 0, generation: member.generation, position: tag },
                topic: channel.name.clone(),
                message: message.clone(),
                partition: None,
                position: None,
                past,
            });
            room.count -= 1;
            room.bytes = room.bytes.saturating_sub(message.size());
        }
        into.len() > before
    }

    /// Puts what a member has and did not settle back, for others.
    pub(super) fn return_held(&mut self, member: &mut Member, wakes: &mut Wakes) {
        if member.held.is_empty() {
            return;
        }
        member.generation = member.generation.wrapping_add(1);
        for (_, Held { place, .. }) in std::mem::take(&mut member.held) {
            self.pool.add(place);
        }
        self.wake_hungry(wakes);
    }

    /// How much one member may have at a time.
    fn part_of_one(&self) -> usize {
        if self.sharing == Sharing::ByKey || self.members.len() < 2 {
            return usize::MAX;
        }
        let held: usize = self.members.iter().map(|member| member.held.len()).sum();
        (held + self.pool.backlog.len()).div_ceil(self.members.len()).min(PREFETCH)
    }

    /// Whether a member may have a message: of a key that somebody holds, nobody else; else whom the key falls to.
    fn is_for(&self, at: usize, share: usize, message: &Message) -> bool {
        let Some(key) = message.key().filter(|_| self.sharing == Sharing::ByKey) else { return true };
        let has = |member: &Member| {
            let mut held = member.held.values();
            held.any(|held| held.place.share == share && held.message.key() == Some(key))
        };
        let me = self.members[at].id;
        if let Some(holder) = self.members.iter().find(|member| has(member)) {
            return holder.id == me;
        }
        self.members.iter().max_by_key(|member| weight(member.id, key)).is_some_and(|chosen| chosen.id == me)
    }
}

/// Rendezvous: each key goes to the member with which it weighs most, so that few keys move when members do.
fn weight(member: u64, key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (member, key).hash(&mut hasher);
    hasher.finish()
}
