//! A member of a group: what it has, what it is to be told, and how deliveries get to it.

use std::{
    collections::{BTreeMap, VecDeque},
    task::{Context, Waker},
};

use tokio::time::Instant;

use super::{
    broker::Channel,
    crash::Uncommitted,
    group::{Place, Share, Stage},
    log::Odd,
};
use crate::backend::{Delivery, Intake, Message, Partitions, Past, Position, Room, Token};

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: u64,
    /// The connection that it belongs to.
    pub(super) door: u64,
    /// Shares that may have something to deliver.
    pub(super) queue: VecDeque<usize>,
    /// What it was not told yet.
    pub(super) news: Option<Box<News>>,
    /// Set while the member is parked.
    pub(super) waker: Option<Waker>,
    /// Whether it parked with room.
    pub(super) hungry: bool,
    /// Shares that it has and keeps.
    pub(super) count: usize,
    /// The suspect that is about to run.
    pub(super) recorded: Option<Place>,
    pub(super) uncommitted: Uncommitted,
    /// When it last asked.
    pub(super) seen: Option<Instant>,
    /// It is not to be told anything, as if nobody polled it.
    pub(super) stalled: bool,
    /// Counts how often it lost what is shared one by one.
    pub(super) generation: u32,
    /// The position in the token of the next delivery that is shared one by one.
    pub(super) next_tag: u64,
    /// What it has of what is shared one by one, by that position.
    pub(super) held: BTreeMap<u64, Held>,
    /// When it took what, where a lease counts from there.
    pub(super) taken: VecDeque<(Instant, Token)>,
}

/// A delivery of what is shared one by one.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) place: Place,
    /// For its key.
    pub(super) message: Message,
}

/// What a member was not told yet.
#[derive(Debug, Default)]
pub(super) struct News {
    lost: bool,
    /// Shares to give up.
    pub(super) revoked: Vec<u32>,
}

impl News {
    pub(super) fn lose_all(&mut self) {
        self.lost = true;
        self.revoked.clear();
    }
}

impl Member {
    pub(super) fn new(id: u64, door: u64) -> Self {
        Self {
            id,
            door,
            queue: VecDeque::new(),
            news: None,
            waker: None,
            hungry: false,
            count: 0,
            recorded: None,
            uncommitted: Uncommitted::default(),
            seen: None,
            stalled: false,
            generation: 0,
            next_tag: 0,
            held: BTreeMap::new(),
            taken: VecDeque::new(),
        }
    }

    pub(super) fn place_of(&self, tag: u64) -> Option<Place> {
        self.held.get(&tag).map(|held| held.place)
    }

    #[cold]
    pub(super) fn next_news(&mut self) -> Option<Intake> {
        let mut news = self.news.take()?;
        if std::mem::take(&mut news.lost) {
            self.news = (!news.revoked.is_empty()).then_some(news);
            return Some(Intake::Lost(Partitions::All));
        }
        (!news.revoked.is_empty()).then_some(Intake::Revoking(Partitions::These(news.revoked)))
    }

    /// Takes note of whom to wake when there is something to tell, and returns whom not to any more.
    pub(super) fn park(&mut self, cx: &Context<'_>, room: Room) -> Option<Waker> {
        self.hungry = !room.is_empty();
        if self.waker.as_ref().is_some_and(|parked| parked.will_wake(cx.waker())) {
            return None;
        }
        self.waker.replace(cx.waker().clone())
    }

    /// Delivers from its shares in turn, from each an equal part of the room. Says whether anything was appended.
    pub(super) fn deliver(
        &mut self,
        shares: &mut [Share],
        channels: &[Channel],
        room: Room,
        into: &mut Vec<Delivery>,
        passed: &mut bool,
    ) -> bool {
        let before = into.len();
        let part = room.count.div_ceil(self.queue.len().max(1));
        let mut room = room;
        while !room.is_empty() {
            let Some(number) = self.queue.pop_front() else { break };
            let share = &mut shares[number];
            let alone = into.len() == before;
            match share.deliver(number, &channels[share.channel], part, alone, &mut room, into, passed) {
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
    #[allow(clippy::too_many_arguments, reason = "the loop over a batch is one function for speed")]
    fn deliver(
        &mut self,
        number: usize,
        channel: &Channel,
        mut part: usize,
        mut alone: bool,
        room: &mut Room,
        into: &mut Vec<Delivery>,
        passed: &mut bool,
    ) -> Rest {
        let (token_partition, of_topic) = (narrow(number), Some(narrow(self.partition)));
        for message in channel.log.read(self.partition, self.next) {
            let mut past = None;
            if self.next < self.fresh {
                match self.look(self.next, channel, passed) {
                    Look::Skip => {
                        self.next += 1;
                        continue;
                    }
                    Look::Deliver(remembered) => past = remembered,
                }
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
                past,
            });
            alone = false;
            part -= 1;
            self.next += 1;
            room.count -= 1;
            room.bytes = room.bytes.saturating_sub(message.size());
        }
        Rest::Nothing
    }

    /// What is known of a position beside its message. What is over or gone counts as settled.
    #[cold]
    pub(super) fn look(&mut self, position: u64, channel: &Channel, passed: &mut bool) -> Look {
        if self.progress.is_settled(position) {
            return Look::Skip;
        }
        let mut past = self.past(position);
        match channel.log.odd(self.partition, position) {
            None => {}
            Some(Odd::Dated(dates)) => {
                let now = Instant::now();
                if dates.is_over(now) {
                    return self.pass(position, passed);
                }
                past.get_or_insert_default().age = Some(dates.age(now));
            }
            Some(Odd::Discarded) => return self.pass(position, passed),
        }
        Look::Deliver(past.map(Box::new))
    }

    fn pass(&mut self, position: u64, passed: &mut bool) -> Look {
        *passed |= self.progress.settle(position);
        if let Some(durable) = &mut self.durable {
            durable.settle(position);
        }
        Look::Skip
    }
}

pub(super) enum Look {
    Skip,
    Deliver(Option<Box<Past>>),
}

/// Partitions are numbered in 32 bits: nothing can hold more of them.
pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
