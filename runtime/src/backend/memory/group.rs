//! A group: its place in every partition of its topics, and the members that share them.

use std::task::{Context, Waker};

use super::{
    broker::Channel,
    caught_up::Watcher,
    crash::Memos,
    member::Member,
    pool::Pool,
    profile::{Durability, Nature, Sharing},
    progress::Progress,
    wakes::Wakes,
};
use crate::backend::{Delivery, Intake, Partitions, Room, Subscription, Token, Topic};

/// A group on one filter. It is the broker's, and outlives its members.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) filter: Topic,
    /// Set for a group that only this instance has.
    pub(super) instance: Option<String>,
    pub(super) nature: &'static Nature,
    pub(super) sharing: Sharing,
    /// Every partition of every topic that the filter receives; the index is the partition in tokens, unless
    /// deliveries are shared one by one.
    pub(super) shares: Vec<Share>,
    /// In the order of joining.
    pub(super) members: Vec<Member>,
    /// Members whose lease ran out; each is one again when it asks.
    pub(super) absent: Vec<Member>,
    pub(super) watchers: Vec<Watcher>,
    /// What is shared one by one.
    pub(super) pool: Pool,
    /// A cursor moved over what nobody settled, since it is over or gone.
    pub(super) passed: bool,
    /// A member that had nothing got everything, and nobody looked yet where it begins.
    pub(super) taken_over: bool,
}

/// The group's share in one partition of one topic.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) channel: usize,
    pub(super) partition: usize,
    /// Where the group began.
    pub(super) begin: u64,
    pub(super) progress: Progress,
    /// What a crash leaves of the progress, where that is less.
    pub(super) durable: Option<Box<Progress>>,
    /// What is known of deliveries beside; most groups know nothing.
    pub(super) memos: Option<Box<Memos>>,
    pub(super) stage: Stage,
    /// The member that has it, unless it is free.
    pub(super) owner: u64,
    /// Counts assignments.
    pub(super) generation: u32,
    /// The next position to deliver.
    pub(super) next: u64,
    /// From here on every position is to be delivered, and nothing is known of it beside.
    pub(super) fresh: u64,
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

/// One position in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) share: usize,
    pub(super) position: u64,
}

/// What a member is told when it asks.
#[derive(Debug)]
pub(super) enum Told {
    Intake(Intake),
    /// Nothing; it is woken when that changes.
    Parked,
    /// It is no member any more.
    Gone,
    /// This broker is to be asked in another way.
    Oddly,
}

impl Group {
    pub(super) fn new(subscription: &Subscription, nature: &'static Nature) -> Self {
        let Subscription { group, filter, order, instance, .. } = subscription;
        Self {
            name: group.clone(),
            filter: filter.clone(),
            instance: instance.clone(),
            nature,
            sharing: nature.sharing(*order),
            shares: Vec::new(),
            members: Vec::new(),
            absent: Vec::new(),
            watchers: Vec::new(),
            pool: Pool::default(),
            passed: false,
            taken_over: false,
        }
    }

    /// Takes a partition of a channel in, from a cursor on.
    pub(super) fn add(&mut self, channel: usize, partition: usize, cursor: u64) {
        let lazy = matches!(self.nature.durability, Durability::Lazy { .. });
        self.shares.push(Share {
            channel,
            partition,
            begin: cursor,
            progress: Progress::at(cursor),
            durable: lazy.then(|| Box::new(Progress::at(cursor))),
            memos: None,
            stage: Stage::Free,
            owner: 0,
            generation: 0,
            next: cursor,
            fresh: cursor,
        });
    }

    pub(super) const fn shares_one_by_one(&self) -> bool {
        matches!(self.sharing, Sharing::Competing | Sharing::ByKey)
    }

    pub(super) fn member(&mut self, id: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// Takes note that something was published in a share's partition.
    #[inline]
    pub(super) fn published(&mut self, share: usize, wakes: &mut Wakes) {
        if self.shares[share].stage == Stage::Idle {
            self.enqueue(share, wakes);
        }
    }

    /// What a member is told next. The second is a waker to be dropped without the lock.
    pub(super) fn poll(
        &mut self,
        id: u64,
        channels: &[Channel],
        cx: &Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> (Told, Option<Waker>) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else {
            return (Told::Gone, None);
        };
        if member.news.is_some()
            && let Some(news) = member.next_news()
        {
            return (Told::Intake(news), member.waker.take());
        }
        let mut passed = false;
        let delivered = member.deliver(&mut self.shares, channels, room, into, &mut passed);
        self.passed |= passed;
        if delivered {
            return (Told::Intake(Intake::Deliveries), member.waker.take());
        }
        (Told::Parked, member.park(cx, room))
    }

    /// Settles what a member still owns, and says whether a cursor moved.
    pub(super) fn settle(&mut self, id: u64, settled: &[Token]) -> bool {
        if self.settles_oddly() {
            return self.settle_oddly(id, settled);
        }
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

    /// Where a delivery of a member is, if its token is not stale.
    pub(super) fn place(&self, member: &Member, token: &Token) -> Option<Place> {
        if self.shares_one_by_one() {
            return (member.generation == token.generation)
                .then(|| member.place_of(token.position))
                .flatten();
        }
        let at = token.partition as usize;
        let share = self.shares.get(at)?;
        let is_valid = share.generation == token.generation
            && share.is_owned_by(member.id)
            && token.position < share.next;
        is_valid.then_some(Place { share: at, position: token.position })
    }

    pub(super) fn join(&mut self, member: Member, wakes: &mut Wakes) {
        self.members.push(member);
        self.rebalance(wakes);
    }

    /// Frees everything a member has, after making durable what it settled.
    pub(super) fn leave(&mut self, id: u64, wakes: &mut Wakes) {
        self.forget_absent(|member| member.id == id, wakes);
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return };
        let mut member = self.members.remove(at);
        self.commit(&mut member);
        self.free_all(&mut member, wakes);
        wakes.debris(member);
    }

    pub(super) fn forget_absent(&mut self, is_gone: impl Fn(&Member) -> bool, wakes: &mut Wakes) {
        self.absent.extract_if(.., |member| is_gone(member)).for_each(|member| wakes.debris(member));
    }

    /// Frees some of what a member has, after making durable what it settled.
    pub(super) fn release(&mut self, id: u64, partitions: &Partitions, wakes: &mut Wakes) {
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return };
        let mut member = std::mem::replace(&mut self.members[at], Member::new(id, 0));
        self.commit(&mut member);
        for (number, share) in (0..).zip(&mut self.shares) {
            if share.is_owned_by(id) && partitions.contains(number) {
                member.count -= usize::from(share.stage != Stage::Leaving);
                share.stage = Stage::Free;
            }
        }
        let shares = &self.shares;
        member.queue.retain(|share| shares[*share].stage == Stage::Queued);
        if let Some(news) = &mut member.news {
            news.revoked.retain(|share| shares[*share as usize].stage == Stage::Leaving);
        }
        member.recorded = member.recorded.filter(|place| shares[place.share].is_owned_by(id));
        if self.shares_one_by_one() && partitions.contains(0) {
            self.return_held(&mut member, wakes);
        }
        self.members[at] = member;
        self.rebalance(wakes);
    }

    /// Takes everything away from a member, which still lives: its tokens are stale, and whatever it did not settle
    /// durably goes to whoever is next.
    pub(super) fn lose(&mut self, id: u64, wakes: &mut Wakes) {
        if let Some(member) = self.take_all(id, wakes) {
            self.join(member, wakes);
        }
    }

    /// The same, and it is no member until it asks again.
    pub(super) fn expel(&mut self, id: u64, wakes: &mut Wakes) {
        if let Some(member) = self.take_all(id, wakes) {
            self.absent.push(member);
            self.rebalance(wakes);
        }
    }

    fn take_all(&mut self, id: u64, wakes: &mut Wakes) -> Option<Member> {
        let at = self.members.iter().position(|member| member.id == id)?;
        let mut member = self.members.remove(at);
        self.undo(&mut member);
        member.news.get_or_insert_default().lose_all();
        member.recorded = None;
        member.taken.clear();
        wakes.wake(member.waker.take());
        self.free(&mut member, wakes);
        Some(member)
    }

    pub(super) fn readmit(&mut self, id: u64, wakes: &mut Wakes) {
        if let Some(at) = self.absent.iter().position(|member| member.id == id) {
            let member = self.absent.remove(at);
            self.join(member, wakes);
        }
    }

    /// Frees everything that somebody who is no member any more had.
    pub(super) fn free_all(&mut self, member: &mut Member, wakes: &mut Wakes) {
        self.free(member, wakes);
        self.rebalance(wakes);
    }

    fn free(&mut self, member: &mut Member, wakes: &mut Wakes) {
        for share in self.shares.iter_mut().filter(|share| share.is_owned_by(member.id)) {
            share.stage = Stage::Free;
        }
        member.queue.clear();
        member.count = 0;
        self.return_held(member, wakes);
    }

    /// Gives a free share to a member.
    pub(super) fn assign(&mut self, share: usize, id: u64, wakes: &mut Wakes) {
        let from_floor = self.nature.durability == Durability::Floor;
        let it = &mut self.shares[share];
        (it.owner, it.generation) = (id, it.generation.wrapping_add(1));
        if from_floor {
            it.progress = Progress::at(it.progress.cursor());
        }
        it.next = it.progress.cursor();
        it.fresh = it.fresh.max(it.progress.end()).max(it.remembered());
        if let Some(member) = self.member(id) {
            member.count += 1;
            self.taken_over |= from_floor && member.count == 1;
        }
        self.enqueue(share, wakes);
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

    /// Below this nothing is read again, come what may.
    pub(super) fn floor(&self) -> u64 {
        self.durable.as_ref().map_or(self.progress.cursor(), |durable| durable.cursor())
    }
}
