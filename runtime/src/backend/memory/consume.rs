//! Consuming: one member of a group.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{broker::Broker, closed, not_provisioned};
use crate::{
    backend::{Consumer, Delivery, Floor, Intake, Partitions, Room, Subscription, Token},
    error::Result,
};

/// A member of a group. Dropping it is a crash, after which nothing is different from a clean leave: here what was
/// settled is durable at once.
pub(super) struct MemoryConsumer {
    broker: Arc<Broker>,
    group: usize,
    member: u64,
    left: bool,
}

impl MemoryConsumer {
    pub(super) fn join(broker: &Arc<Broker>, subscription: &Subscription) -> Result<Self> {
        let joined = broker.run(|state, wakes| {
            let group = state.group(subscription)?;
            let member = state.next_id();
            state.groups[group].join(member, wakes);
            Some((group, member))
        });
        let (group, member) = joined.ok_or_else(|| not_provisioned("subscribe", subscription))?;
        Ok(Self { broker: broker.clone(), group, member, left: false })
    }

    fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            drop(self.broker.run(|state, wakes| state.groups[self.group].leave(self.member, wakes)));
        }
    }
}

impl Consumer for MemoryConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        if self.left {
            return Poll::Ready(Err(closed("consume")));
        }
        let (intake, _parked) = self
            .broker
            .run(|state, _| state.groups[self.group].poll(self.member, &state.channels, cx, room, into));
        intake.map_or(Poll::Pending, |intake| Poll::Ready(Ok(intake)))
    }

    /// The floors say nothing here that the tokens do not.
    fn settle(&mut self, settled: &[Token], _floors: &[Floor]) {
        self.broker.run(|state, wakes| {
            let group = &mut state.groups[self.group];
            if !group.settle(self.member, settled) {
                return;
            }
            if !group.watchers.is_empty() {
                group.tell_watchers(wakes);
            }
            if !state.crowded.is_empty() {
                state.serve(wakes);
            }
        });
    }

    fn release(&mut self, partitions: &Partitions) {
        self.broker.run(|state, wakes| state.groups[self.group].release(self.member, partitions, wakes));
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.leave();
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for MemoryConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, member, left, .. } = self;
        let (name, filter, partitions) = self.broker.run(|state, _| {
            let group = &state.groups[*group];
            let partitions = group.shares.iter().filter(|share| share.is_owned_by(*member)).count();
            (group.name.clone(), group.filter.clone(), partitions)
        });
        f.debug_struct("MemoryConsumer")
            .field("group", &name)
            .field("filter", &filter)
            .field("partitions", &partitions)
            .field("left", left)
            .finish_non_exhaustive()
    }
}
