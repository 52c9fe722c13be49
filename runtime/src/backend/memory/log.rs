//! What a topic holds: a bounded log in partitions.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{config::Memory, index};
use crate::backend::{Message, MessageBuilder};

/// The log of one topic. It knows no group: whoever makes room says what may go.
#[derive(Debug)]
pub(super) struct Log {
    partitions: Box<[Partition]>,
    messages: usize,
    bytes: usize,
    /// How many messages came so far.
    came: u64,
    /// The partition of the next message without a key.
    turn: usize,
}

#[derive(Debug, Default)]
struct Partition {
    messages: VecDeque<Message>,
    /// The number of each message in the topic, so that the oldest of all partitions is known. Beside the messages
    /// rather than with them, which saves a tenth of a publish: a message is copied once less.
    numbers: VecDeque<u64>,
    /// The position of the first message.
    start: u64,
    /// Below this the messages may go.
    free: u64,
    /// Positions at which more is to be known than the message.
    odd: BTreeMap<u64, Odd>,
}

/// What is odd about a position.
#[derive(Debug, Clone, Copy)]
pub(super) enum Odd {
    /// Nothing stands there any more.
    Discarded,
    /// Its age matters.
    Dated(Dates),
}

/// When a message was published, and until when it may be delivered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dates {
    pub(super) published: Instant,
    pub(super) expires: Option<Instant>,
}

impl Dates {
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.published)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Log {
    pub(super) fn new(partitions: u32) -> Self {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        Self { partitions, messages: 0, bytes: 0, came: 0, turn: 0 }
    }

    /// Stores a message, whatever the bound; its partition and position.
    // Always inlined, as `append_to`, `State::admits`, `Progress::settle` and `Wakes::tell`: each is called in the plain way
    // and in odd ones, and two callers are enough for the compiler to make a call of it.
    #[inline(always)]
    pub(super) fn append(&mut self, message: Message) -> (usize, u64) {
        let at = match message.key() {
            Some(key) => scale(hash(key), self.partitions.len()),
            None => self.next_turn(),
        };
        self.append_to(at, message)
    }

    /// The same in the partition of that number.
    #[inline(always)]
    pub(super) fn append_to(&mut self, at: usize, message: Message) -> (usize, u64) {
        let number = self.came;
        self.came += 1;
        self.messages += 1;
        self.bytes += message.size();
        let partition = &mut self.partitions[at];
        partition.numbers.push_back(number);
        partition.messages.push_back(message);
        (at, partition.end() - 1)
    }

    /// Whether a message of this size is within the bound. Whatever its size, an empty topic takes one.
    pub(super) const fn fits(&self, size: usize, bound: &Memory) -> bool {
        self.messages == 0
            || (self.messages < bound.capacity && self.bytes.saturating_add(size) <= bound.capacity_bytes)
    }

    /// Whether no more than the bound is held.
    pub(super) const fn is_within(&self, bound: &Memory) -> bool {
        self.messages <= bound.capacity && (self.bytes <= bound.capacity_bytes || self.messages == 1)
    }

    /// Drops the oldest messages whose position is below what `free` says for their partition, until `enough`; says
    /// whether it came to that.
    ///
    /// What `free` says may rise between two calls, but never falls without a [`hold`](Self::hold): it is asked only
    /// when what it said before is used up.
    #[inline]
    pub(super) fn evict_until(
        &mut self,
        enough: impl Fn(&Self) -> bool,
        free: impl Fn(usize) -> u64,
    ) -> bool {
        let mut asked = false;
        while !enough(self) {
            if self.drop_oldest() {
                continue;
            }
            if asked {
                return false;
            }
            for (at, partition) in self.partitions.iter_mut().enumerate() {
                partition.free = free(at);
            }
            asked = true;
        }
        true
    }

    /// Takes note that there is a new reader, so that nothing more goes without asking.
    pub(super) fn hold(&mut self) {
        for partition in &mut self.partitions {
            partition.free = 0;
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest =
            self.partitions.iter_mut().filter_map(|partition| Some((partition.evictable()?, partition)));
        let Some((_, partition)) = oldest.min_by_key(|(number, _)| *number) else { return false };
        let Some(message) = partition.messages.pop_front() else { return false };
        partition.numbers.pop_front();
        let is_there = partition.odd.is_empty()
            || !matches!(partition.odd.remove(&partition.start), Some(Odd::Discarded));
        partition.start += 1;
        if is_there {
            self.messages -= 1;
            self.bytes -= message.size();
        }
        true
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The position of the oldest message of a partition.
    pub(super) fn start(&self, partition: usize) -> u64 {
        self.partitions[partition].start
    }

    /// The position that the next message of a partition gets.
    pub(super) fn end(&self, partition: usize) -> u64 {
        self.partitions[partition].end()
    }

    /// The messages of a partition, from a position on.
    pub(super) fn read(&self, partition: usize, from: u64) -> impl Iterator<Item = &Message> {
        let partition = &self.partitions[partition];
        let skip = index(from.saturating_sub(partition.start)).min(partition.messages.len());
        partition.messages.range(skip..)
    }

    /// The message at a position, if it is still there.
    pub(super) fn get(&self, partition: usize, position: u64) -> Option<&Message> {
        let partition = &self.partitions[partition];
        partition.messages.get(index(position.checked_sub(partition.start)?))
    }

    /// What is odd about a position.
    pub(super) fn odd(&self, partition: usize, position: u64) -> Option<Odd> {
        self.partitions[partition].odd.get(&position).copied()
    }

    /// From here on nothing is odd.
    pub(super) fn odd_end(&self, partition: usize) -> u64 {
        self.partitions[partition].odd.last_key_value().map_or(0, |(position, _)| position + 1)
    }

    /// Notes when a message was published.
    pub(super) fn date(&mut self, partition: usize, position: u64, dates: Dates) {
        self.partitions[partition].odd.insert(position, Odd::Dated(dates));
    }

    /// The number of a message, as it was counted when it came.
    pub(super) fn number(&self, partition: usize, position: u64) -> Option<u64> {
        let partition = &self.partitions[partition];
        partition.numbers.get(index(position.checked_sub(partition.start)?)).copied()
    }

    /// The position of the first message that is kept and has this number or a higher one.
    pub(super) fn position_of(&self, partition: usize, number: u64) -> u64 {
        let partition = &self.partitions[partition];
        partition.start + partition.numbers.partition_point(|other| *other < number) as u64
    }

    /// Numbers the next message so, instead of counting on. Numbers must rise.
    pub(super) const fn number_next(&mut self, number: u64) {
        self.came = number;
    }

    /// Everything, oldest first: partition, position, message.
    pub(super) fn all(&self) -> Vec<(usize, u64, &Message)> {
        let mut all = Vec::with_capacity(self.messages);
        for (at, partition) in self.partitions.iter().enumerate() {
            let places = partition.numbers.iter().zip(partition.start..).zip(&partition.messages);
            let places = places
                .filter(|((_, position), _)| !matches!(partition.odd.get(position), Some(Odd::Discarded)));
            all.extend(places.map(|((n, position), message)| (n, at, position, message)));
        }
        all.sort_unstable_by_key(|(number, ..)| **number);
        all.into_iter().map(|(_, at, position, message)| (at, position, message)).collect()
    }

    /// Leaves a message out from now on, as if it had never been there; its position stays taken.
    pub(super) fn discard(&mut self, partition: usize, position: u64) {
        let Some(partition) = self.partitions.get_mut(partition) else { return };
        let (start, end) = (partition.start, partition.end());
        let is_there = (start..end).contains(&position)
            && !matches!(partition.odd.insert(position, Odd::Discarded), Some(Odd::Discarded));
        if is_there {
            let place = &mut partition.messages[index(position - start)];
            let message = std::mem::replace(place, MessageBuilder::new().build());
            (self.messages, self.bytes) = (self.messages - 1, self.bytes - message.size());
        }
    }

    /// How many messages and bytes it holds.
    pub(super) const fn held(&self) -> (usize, usize) {
        (self.messages, self.bytes)
    }

    fn next_turn(&mut self) -> usize {
        let turn = self.turn;
        self.turn = if turn + 1 == self.partitions.len() { 0 } else { turn + 1 };
        turn
    }
}

impl Partition {
    fn end(&self) -> u64 {
        self.start + self.messages.len() as u64
    }

    /// The number of the first message, if it may go.
    fn evictable(&self) -> Option<u64> {
        if self.start < self.free { self.numbers.front().copied() } else { None }
    }
}

/// The same on every run and machine, so that a failing test fails again. A word at a time, since it is paid for
/// with every message: FNV's step on words, and a finish that spreads the bits.
fn hash(key: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = key.len() as u64 ^ 0xcbf2_9ce4_8422_2325;
    let mut step = |word: u64| hash = (hash.rotate_left(23) ^ word).wrapping_mul(PRIME);
    match key.last_chunk::<8>() {
        // The last word may overlap the one before it: that is cheaper than the odd bytes one by one.
        Some(last) => {
            key.as_chunks::<8>().0.iter().for_each(|word| step(u64::from_le_bytes(*word)));
            step(u64::from_le_bytes(*last));
        }
        None => step(key.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte))),
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(PRIME);
    hash ^ (hash >> 29)
}

/// A hash as one of `count`, without a division.
fn scale(hash: u64, count: usize) -> usize {
    index(((hash >> 32) * count as u64) >> 32)
}
