//! Waiting until a group has settled what was published so far.

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{
    broker::{Broker, State},
    closed,
    group::Group,
    not_provisioned,
    publish::Door,
    wakes::Wakes,
};
use crate::{backend::Subscription, error::Result};

/// Completes when the group's cursors reach the ends of now; fails when the connection closes before.
pub(super) async fn wait(broker: &Broker, door: &Door, subscription: &Subscription) -> Result<()> {
    let (group, ticket) = broker.run(|state, _| {
        let group = state.group(subscription).ok_or_else(|| not_provisioned("catch up", subscription))?;
        Ok::<_, crate::error::Error>((group, state.next_id()))
    })?;
    while let Some(due) = broker.run(|state, _| state.last_delayed(group, ticket)) {
        sleep_until(due).await;
        broker.run(|state, wakes| state.pass_time(Instant::now(), wakes));
    }
    let answer = broker.run(|state, _| {
        if door.is_closed() {
            return Err(closed("catch up"));
        }
        let group = state.group(subscription).ok_or_else(|| not_provisioned("catch up", subscription))?;
        Ok(state.watch(group, door.id()))
    });
    match answer? {
        Some(answer) => answer.await.map_err(|_| closed("catch up")),
        None => Ok(()),
    }
}

/// Somebody who waits for a group's cursors.
#[derive(Debug)]
pub(super) struct Watcher {
    door: u64,
    /// Shares and the positions that their cursors have not reached yet.
    targets: Vec<(usize, u64)>,
    answer: oneshot::Sender<()>,
}

impl Group {
    /// Tells the watchers whose targets are reached. Those who gave up are forgotten.
    pub(super) fn tell_watchers(&mut self, wakes: &mut Wakes) {
        let shares = &self.shares;
        let reached = |watcher: &mut Watcher| {
            watcher.targets.retain(|(share, end)| shares[*share].progress.cursor() < *end);
            watcher.targets.is_empty() || watcher.answer.is_closed()
        };
        for watcher in self.watchers.extract_if(.., reached) {
            wakes.caught_up(watcher.answer);
        }
    }
}

impl State {
    /// `None` if the group is there already.
    fn watch(&mut self, group: usize, door: u64) -> Option<oneshot::Receiver<()>> {
        let mut targets = Vec::new();
        for channel in &self.channels {
            for reader in channel.readers.iter().filter(|reader| reader.group == group) {
                targets
                    .extend((0..channel.log.partitions()).map(|at| (reader.first + at, channel.log.end(at))));
            }
        }
        let group = &mut self.groups[group];
        targets.retain(|(share, end)| group.shares[*share].progress.cursor() < *end);
        if targets.is_empty() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        group.watchers.retain(|watcher| !watcher.answer.is_closed());
        group.watchers.push(Watcher { door, targets, answer });
        Some(answered)
    }

    /// Takes the watchers of a connection out; to be dropped without the lock, which wakes them.
    pub(super) fn forget_watchers(&mut self, door: u64) -> Vec<Watcher> {
        self.groups
            .iter_mut()
            .flat_map(|group| group.watchers.extract_if(.., |watcher| watcher.door == door))
            .collect()
    }
}
