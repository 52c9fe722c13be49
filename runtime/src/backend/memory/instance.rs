//! Groups that only one instance has: they go with it.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    broker::{Reader, State},
    group::{Group, Place},
    wakes::Wakes,
};
use crate::{
    backend::{Limits, Order, Start, Subscription},
    topic,
};

/// How long a group of one instance is kept without a consumer.
const KEPT: Duration = Duration::from_secs(600);

/// What becomes of groups of one instance.
#[derive(Debug, Default)]
pub(super) struct Instances {
    /// Those without a consumer, and until when they are kept.
    left: Vec<(Instant, usize)>,
    /// Places of groups that are gone.
    vacant: Vec<usize>,
}

impl Instances {
    pub(super) fn join(&mut self, group: usize) {
        self.left.retain(|(_, left)| *left != group);
    }

    /// When the next of them is to be forgotten.
    pub(super) fn next(&self) -> Option<Instant> {
        self.left.iter().map(|(until, _)| *until).min()
    }
}

impl Group {
    fn has(&self, id: u64) -> bool {
        self.members.iter().chain(&self.absent).any(|member| member.id == id)
    }
}

impl State {
    pub(super) fn create_group(&mut self, subscription: &Subscription) {
        let Subscription { filter, start, instance, .. } = subscription;
        let mut group = Group::new(subscription, self.nature);
        let number = self.instances.vacant.pop().unwrap_or(self.groups.len());
        let latest = *start == Some(Start::Latest) || instance.is_some() || !self.nature.history;
        for (at, channel) in self.channels.iter_mut().enumerate() {
            if !topic::matches(filter, &channel.name) {
                continue;
            }
            let (log, first) = (&mut channel.log, group.shares.len());
            for partition in 0..log.partitions() {
                let cursor = if latest { log.end(partition) } else { log.start(partition) };
                group.add(at, partition, cursor);
                let share = first + partition;
                group.shares[share].fresh = log.odd_end(partition).max(cursor);
                if group.shares_one_by_one() {
                    (cursor..log.end(partition))
                        .for_each(|position| group.pool.add(Place { share, position }));
                }
            }
            log.hold();
            channel.readers.push(Reader { group: number, first });
        }
        if instance.is_some() {
            self.instances.left.push((Instant::now() + KEPT, number));
        }
        match self.groups.get_mut(number) {
            Some(vacant) => *vacant = group,
            None => self.groups.push(group),
        }
    }

    /// A member leaves and says so.
    pub(super) fn leave(&mut self, group: usize, member: u64, wakes: &mut Wakes) {
        if !self.groups[group].has(member) {
            return;
        }
        self.groups[group].leave(member, wakes);
        if self.groups[group].instance.is_some() {
            self.remove_group(group, wakes);
            self.serve(wakes);
        }
    }

    /// A member goes without a word.
    pub(super) fn crash(&mut self, group: usize, member: u64, wakes: &mut Wakes) {
        if !self.groups[group].has(member) {
            return;
        }
        self.groups[group].crash(member, wakes);
        if self.groups[group].instance.is_some() {
            self.instances.left.push((Instant::now() + KEPT, group));
        }
    }

    /// Forgets groups whose instance has been away too long. Says whether there were any.
    pub(super) fn forget_instances(&mut self, wakes: &mut Wakes) -> bool {
        if self.instances.left.is_empty() {
            return false;
        }
        let now = Instant::now();
        let over: Vec<_> = self.instances.left.extract_if(.., |(until, _)| *until <= now).collect();
        for (_, group) in &over {
            self.remove_group(*group, wakes);
        }
        !over.is_empty()
    }

    fn remove_group(&mut self, number: usize, wakes: &mut Wakes) {
        for channel in &mut self.channels {
            channel.readers.retain(|reader| reader.group != number);
        }
        // What stands in its place receives nothing: no topic is empty.
        let nobody = Subscription {
            group: String::new(),
            filter: "".into(),
            order: Order::Key,
            start: None,
            limits: Limits::default(),
            instance: None,
        };
        wakes.debris(std::mem::replace(&mut self.groups[number], Group::new(&nobody, self.nature)));
        self.instances.join(number);
        self.instances.vacant.push(number);
    }
}
