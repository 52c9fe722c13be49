//! The broker that connections share: its topics, its groups, and the names under which brokers are found.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use hashbrown::HashMap;

use super::{
    config::Memory, group::Group, index, instance::Instances, later::Later, log::Log, profile::Nature,
    publish::Waiting, streams::Streams, wakes::Wakes,
};
use crate::{
    backend::{Subscription, Topic},
    error::Result,
    topic,
};

/// What stands for the server. A connection, a consumer and a waiting publish each keep it alive.
#[derive(Debug)]
pub(super) struct Broker {
    options: Memory,
    state: Mutex<State>,
}

/// The broker of the options' name, or a new one.
pub(super) fn open(options: &Memory) -> Result<Arc<Broker>> {
    options.check()?;
    let Some(name) = &options.name else { return Ok(Broker::new(options)) };
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(broker) = named.get(name).and_then(Weak::upgrade) {
        options.agree_with(&broker.options)?;
        return Ok(broker);
    }
    named.retain(|_, broker| broker.strong_count() > 0);
    let broker = Broker::new(options);
    named.insert(name.clone(), Arc::downgrade(&broker));
    Ok(broker)
}

static NAMED: Mutex<BTreeMap<String, Weak<Broker>>> = Mutex::new(BTreeMap::new());

impl Broker {
    fn new(options: &Memory) -> Arc<Self> {
        Arc::new(Self { options: options.clone(), state: Mutex::new(State::new(options)) })
    }

    pub(super) const fn options(&self) -> &Memory {
        &self.options
    }

    /// Runs `work` under the lock, and tells others what it has to tell after it is released.
    ///
    /// What `work` returns is dropped without the lock, too: that is how it gets rid of wakers, whose drop may run
    /// code of others.
    #[inline]
    pub(super) fn run<T>(&self, work: impl FnOnce(&mut State, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = work(&mut self.lock(), &mut wakes);
        wakes.tell();
        result
    }

    /// For the publishing path, where a closure would cost copies. Nothing may be woken while it is held.
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that the lock guards. Topics and groups are only ever added, so that indices stay valid; the place of a group
/// of one instance is used again when it is gone.
#[derive(Debug)]
pub(super) struct State {
    pub(super) bound: Memory,
    pub(super) channels: Vec<Channel>,
    pub(super) groups: Vec<Group>,
    names: HashMap<Topic, usize>,
    /// Channels that were published on lately, by where their topic's name is in memory: publishers use the same
    /// few names again and again. Only a hint, since a name's memory may be used again for another.
    recent: [usize; RECENT],
    /// Channels over their bound, or with publishers that wait.
    pub(super) crowded: Vec<usize>,
    pub(super) nature: &'static Nature,
    /// Something is here of which the plain way of publishing and consuming knows nothing: a profile, dates, faults.
    pub(super) odd: bool,
    pub(super) later: Later,
    pub(super) instances: Instances,
    pub(super) streams: Streams,
    ids: u64,
}

/// A topic at work: its log, who reads it, and who waits for room in it.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: Topic,
    pub(super) log: Log,
    pub(super) readers: Vec<Reader>,
    pub(super) waiting: VecDeque<Waiting>,
    /// Dead letters stay, settled or not.
    pub(super) keeps_all: bool,
    /// A plan has it among its dead letters.
    pub(super) provisioned: bool,
}

/// A group that reads a channel: partition `n` is its share `first + n`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    pub(super) group: usize,
    pub(super) first: usize,
}

impl State {
    fn new(options: &Memory) -> Self {
        Self {
            bound: options.clone(),
            channels: Vec::new(),
            groups: Vec::new(),
            names: HashMap::new(),
            recent: [0; RECENT],
            crowded: Vec::new(),
            nature: options.nature(),
            odd: options.profile.is_some(),
            later: Later::default(),
            instances: Instances::default(),
            streams: Streams::default(),
            ids: 0,
        }
    }

    /// The channel of a topic, which is created if need be; a pattern has none.
    #[inline]
    pub(super) fn channel_or_create(&mut self, name: &Topic, wakes: &mut Wakes) -> Option<usize> {
        let slot = recent_slot(name);
        let recent = self.recent[slot];
        if self.channels.get(recent).is_some_and(|channel| channel.name == *name) {
            return Some(recent);
        }
        let channel = match self.channel(name) {
            Some(known) => known,
            None if topic::is_pattern(name) => return None,
            None => self.create_channel(name, wakes),
        };
        self.recent[slot] = channel;
        Some(channel)
    }

    pub(super) fn channel(&self, name: &Topic) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(super) fn group(&self, Subscription { group, filter, instance, .. }: &Subscription) -> Option<usize> {
        let is_it = |existing: &Group| {
            existing.name == *group && existing.filter == *filter && existing.instance == *instance
        };
        self.groups.iter().position(is_it)
    }

    /// A number that was not given before: for members and waiting publishers, rising.
    pub(super) const fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Makes room in a channel for a message of this size, if what every group settled is enough for it.
    #[inline]
    pub(super) fn make_room(&mut self, channel: usize, size: usize) -> bool {
        let bound = &self.bound;
        self.channels[channel].evict_until(&self.groups, |log| log.fits(size, bound))
    }

    /// Drops what is over the bound of a channel, if every group settled it, and says whether that was enough.
    pub(super) fn trim(&mut self, channel: usize) -> bool {
        let bound = &self.bound;
        self.channels[channel].evict_until(&self.groups, |log| log.is_within(bound))
    }

    fn create_channel(&mut self, name: &Topic, wakes: &mut Wakes) -> usize {
        let at = self.channels.len();
        let log = Log::new(if self.nature.partitioned { self.bound.partitions } else { 1 });
        // Replays are consumed like anything else.
        let keeps_all = name.starts_with("dead.") && !name.ends_with(".redrive");
        let mut readers = Vec::new();
        for (number, group) in self.groups.iter_mut().enumerate() {
            if topic::matches(&group.filter, name) {
                let first = group.shares.len();
                readers.push(Reader { group: number, first });
                (0..log.partitions()).for_each(|partition| group.add(at, partition, 0));
                group.assign_new(first, wakes);
            }
        }
        self.names.insert(name.clone(), at);
        let (waiting, provisioned) = (VecDeque::new(), false);
        self.channels.push(Channel { name: name.clone(), log, readers, waiting, keeps_all, provisioned });
        at
    }
}

impl Channel {
    #[inline]
    fn evict_until(&mut self, groups: &[Group], enough: impl Fn(&Log) -> bool) -> bool {
        if self.keeps_all {
            return enough(&self.log);
        }
        let cursor = |reader: &Reader, at: usize| groups[reader.group].shares[reader.first + at].floor();
        let free = |at| self.readers.iter().map(|reader| cursor(reader, at)).min().unwrap_or(u64::MAX);
        self.log.evict_until(enough, free)
    }
}

const RECENT: usize = 64;

/// Spreads addresses by their middle bits, the highest of the product.
fn recent_slot(name: &str) -> usize {
    let spread = (name.as_ptr().addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    index(spread >> (u64::BITS - RECENT.ilog2()))
}
