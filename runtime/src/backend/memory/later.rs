//! What happens by itself: delayed messages become visible, and leases run out.
//!
//! There is no task and no timer of the broker's own. Whoever asks it brings it up to the present first, and a consumer
//! that waits wakes itself when the next thing happens that it may have to do with.

use std::{collections::BTreeMap, task::Context, time::Duration};

use tokio::time::Instant;

use super::{
    broker::State,
    group::{Group, Told},
    log::Dates,
    member::narrow,
    profile::{Lease, Positions},
    wakes::Wakes,
};
use crate::{
    backend::{Confirmation, Delivery, Intake, Message, Position, Room},
    duration::FOR_EVER,
};

/// Messages that are not visible yet, by when they are to be, then in the order of publishing.
#[derive(Debug, Default)]
pub(super) struct Later {
    delayed: BTreeMap<(Instant, u64), Delayed>,
}

#[derive(Debug)]
struct Delayed {
    channel: usize,
    message: Message,
    how: How,
}

/// How a message is to be stored, beside the plain way.
#[derive(Debug, Clone, Default)]
pub(super) struct How {
    /// In this partition.
    pub(super) partition: Option<usize>,
    pub(super) dates: Option<Dates>,
    /// What makes a repeat of it known, where repeats are not stored.
    pub(super) identity: Option<Vec<u8>>,
}

/// A lease is renewed when a third of it is over.
const RENEWALS: u32 = 3;

impl State {
    /// Stores a message when its time has come, which is told to nobody. It needs no room.
    pub(super) fn store_later(
        &mut self,
        channel: usize,
        message: Message,
        (mut how, delay): (How, Duration),
        wakes: &mut Wakes,
    ) -> Confirmation {
        let confirmation = Confirmation { partition: how.partition.map(narrow), position: None };
        if let Some(identity) = how.identity.take() {
            self.streams.remember(&self.channels[channel].name, identity, confirmation);
        }
        let due = Instant::now() + delay.min(FOR_EVER);
        let key = (due, self.next_id());
        self.later.delayed.insert(key, Delayed { channel, message, how });
        self.odd = true;
        // Whoever waits has to look at the clock from now on.
        for reader in &self.channels[channel].readers {
            self.groups[reader.group].wake_all(wakes);
        }
        confirmation
    }

    /// Stores a message in whatever way this broker and the message need.
    pub(super) fn store_oddly(
        &mut self,
        channel: usize,
        message: Message,
        how: How,
        wakes: &mut Wakes,
    ) -> Confirmation {
        let channel = &mut self.channels[channel];
        if self.nature.positions == Positions::Sequence {
            channel.log.number_next(self.streams.next_sequence(&channel.name));
        }
        let log = &mut channel.log;
        let (partition, position) = match how.partition {
            Some(partition) => log.append_to(partition, message),
            None => log.append(message),
        };
        if let Some(dates) = how.dates {
            log.date(partition, position, dates);
            self.odd = true;
        }
        for reader in &channel.readers {
            let group = &mut self.groups[reader.group];
            group.published_oddly(reader.first + partition, position, how.dates.is_some(), wakes);
        }
        let confirmation = Confirmation {
            partition: self.nature.partitioned.then(|| narrow(partition)),
            position: self.nature.position(channel.log.number(partition, position), position),
        };
        if let Some(identity) = how.identity {
            self.streams.remember(&channel.name, identity, confirmation);
        }
        confirmation
    }

    /// The same as [`poll`](Group::poll) where time matters, or the broker is not like memory. The moment is when the
    /// member is to ask again.
    pub(super) fn poll_oddly(
        &mut self,
        (group, member): (usize, u64),
        (cx, room): (&Context<'_>, Room),
        into: &mut Vec<Delivery>,
        wakes: &mut Wakes,
    ) -> (Told, Option<Instant>) {
        let now = Instant::now();
        self.pass_time(now, wakes);
        if let Some(stalled) = self.groups[group].stalled(member) {
            wakes.debris(stalled.park(cx, Room::NONE));
            return (Told::Parked, None);
        }
        self.groups[group].readmit(member, wakes);
        let Some(it) = self.groups[group].member(member) else { return (Told::Gone, None) };
        it.seen = Some(now);
        self.go_back(group);
        let before = into.len();
        let (told, old) = self.groups[group].poll_any(member, &self.channels, (cx, room), into);
        if let Some(old) = old {
            wakes.debris(old);
        }
        self.dress(group, &mut into[before..]);
        if matches!(self.nature.lease, Lease::Fixed(_))
            && let Some(it) = self.groups[group].member(member)
        {
            it.taken.extend(into[before..].iter().map(|delivery| (now, delivery.token)));
        }
        if std::mem::take(&mut self.groups[group].passed) {
            self.moved(group, wakes);
        }
        let parked = matches!(told, Told::Parked);
        (told, if parked { self.next_moment(group, member, now) } else { None })
    }

    /// Does what was to happen until now.
    pub(super) fn pass_time(&mut self, now: Instant, wakes: &mut Wakes) {
        while let Some(first) = self.later.delayed.first_entry().filter(|first| first.key().0 <= now) {
            let Delayed { channel, message, how } = first.remove();
            self.store_oddly(channel, message, how, wakes);
            self.crowd(channel);
        }
        if self.nature.lease == Lease::Endless {
            return;
        }
        for group in &mut self.groups {
            let is_over = |id: &u64| group.lease_end(*id).is_some_and(|end| end <= now);
            let over: Vec<u64> = group.members.iter().map(|member| member.id).filter(is_over).collect();
            over.into_iter().for_each(|id| group.expel(id, wakes));
        }
    }

    /// Tells others that a cursor of the group moved.
    pub(super) fn moved(&mut self, group: usize, wakes: &mut Wakes) {
        let group = &mut self.groups[group];
        if !group.watchers.is_empty() {
            group.tell_watchers(wakes);
        }
        if !self.crowded.is_empty() {
            self.serve(wakes);
        }
    }

    /// When the last message that waits to become visible to a group does, of those before `ticket`.
    pub(super) fn last_delayed(&self, group: usize, ticket: u64) -> Option<Instant> {
        let reads =
            |channel: usize| self.channels[channel].readers.iter().any(|reader| reader.group == group);
        let of_group = self.later.delayed.iter().filter(|((_, id), it)| *id <= ticket && reads(it.channel));
        of_group.map(|((due, _), _)| *due).next_back()
    }

    fn next_moment(&self, group: usize, member: u64, now: Instant) -> Option<Instant> {
        let delayed = self.later.delayed.first_key_value().map(|((due, _), _)| *due);
        let group = &self.groups[group];
        let leases = group.members.iter().filter_map(|other| match (self.nature.lease, other.id == member) {
            (Lease::Renewed(lease), true) => Some(now + lease / RENEWALS),
            _ => group.lease_end(other.id),
        });
        leases.chain(delayed).min()
    }

    /// Says of deliveries what this broker says, and not more.
    fn dress(&self, group: usize, deliveries: &mut [Delivery]) {
        if self.nature.positions == Positions::Offsets {
            return;
        }
        let group = &self.groups[group];
        for delivery in deliveries {
            let member = group.members.iter().find_map(|member| group.place(member, &delivery.token));
            let Some(place) = member else { continue };
            let share = &group.shares[place.share];
            let number = self.channels[share.channel].log.number(share.partition, place.position);
            delivery.partition = None;
            delivery.position = self.nature.position(number, place.position);
        }
    }
}

impl Group {
    /// Delivers in whichever way the group shares.
    fn poll_any(
        &mut self,
        id: u64,
        channels: &[super::broker::Channel],
        (cx, room): (&Context<'_>, Room),
        into: &mut Vec<Delivery>,
    ) -> (Told, Option<std::task::Waker>) {
        let polled = self.poll(id, channels, cx, room, into);
        if !self.shares_one_by_one() || !matches!(polled.0, Told::Parked) {
            return polled;
        }
        if self.deliver_one_by_one(id, channels, room, into) {
            return (Told::Intake(Intake::Deliveries), polled.1);
        }
        polled
    }

    fn published_oddly(&mut self, share: usize, position: u64, dated: bool, wakes: &mut Wakes) {
        if dated {
            let it = &mut self.shares[share];
            it.fresh = it.fresh.max(position + 1);
        }
        if self.shares_one_by_one() {
            self.pool.add(super::group::Place { share, position });
            self.wake_hungry(wakes);
        } else {
            self.published(share, wakes);
        }
    }

    pub(super) fn wake_all(&mut self, wakes: &mut Wakes) {
        self.members.iter_mut().for_each(|member| wakes.wake(member.waker.take()));
    }

    /// A member that is to be told nothing.
    fn stalled(&mut self, id: u64) -> Option<&mut super::member::Member> {
        self.members.iter_mut().chain(&mut self.absent).find(|member| member.id == id && member.stalled)
    }

    /// When what a member has is taken from it.
    fn lease_end(&self, id: u64) -> Option<Instant> {
        let member = self.members.iter().find(|member| member.id == id)?;
        match self.nature.lease {
            Lease::Endless => None,
            Lease::Renewed(lease) => member.seen.map(|seen| seen + lease),
            Lease::Fixed(lease) => {
                let unsettled = |(_, token): &&(Instant, _)| {
                    let place = self.place(member, token);
                    place.is_some_and(|place| !self.shares[place.share].progress.is_settled(place.position))
                };
                member.taken.iter().find(unsettled).map(|(taken, _)| *taken + lease)
            }
        }
    }
}

impl super::profile::Nature {
    /// What the broker calls a position; `number` counts in the stream.
    pub(super) fn position(&self, number: Option<u64>, position: u64) -> Option<Position> {
        match self.positions {
            Positions::Offsets => Some(Position::new(position)),
            Positions::Untold => None,
            Positions::Sequence => number.map(Position::new),
            Positions::Entries => Some(Position::pair(LEDGER, position)),
        }
    }
}

/// A ledger that is never full.
const LEDGER: u64 = 1;
