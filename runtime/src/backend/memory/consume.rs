//! Consuming: one member of a group.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{broker::Broker, closed, gone, group::Told, member::Member, not_provisioned, publish::Door};
use crate::{
    backend::{Consumer, Delivery, Floor, Intake, Note, Partitions, Room, Subscription, Token},
    error::Result,
};

/// A member of a group. Dropping it is a crash.
pub(super) struct MemoryConsumer {
    broker: Arc<Broker>,
    group: usize,
    member: u64,
    left: bool,
    /// Wakes it when something happens by itself.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl MemoryConsumer {
    pub(super) fn join(broker: &Arc<Broker>, door: &Door, subscription: &Subscription) -> Result<Self> {
        let joined = broker.run(|state, wakes| {
            state.forget_instances(wakes);
            let group = state.group(subscription)?;
            let mut member = Member::new(state.next_id(), door.id());
            let id = member.id;
            member.seen = state.odd.then(Instant::now);
            state.instances.join(group);
            state.groups[group].join(member, wakes);
            Some((group, id))
        });
        let (group, member) = joined.ok_or_else(|| not_provisioned("subscribe", subscription))?;
        Ok(Self { broker: broker.clone(), group, member, left: false, alarm: None })
    }

    #[cold]
    fn poll_oddly(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        loop {
            let me = (self.group, self.member);
            let (told, moment) =
                self.broker.run(|state, wakes| state.poll_oddly(me, (cx, room), into, wakes));
            match told {
                Told::Intake(intake) => return Poll::Ready(Ok(intake)),
                Told::Gone => return Poll::Ready(Err(gone("consume"))),
                Told::Parked | Told::Oddly => {}
            }
            let Some(moment) = moment else { return Poll::Pending };
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(moment)));
            alarm.as_mut().reset(moment);
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
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
        let (told, _parked) = self.broker.run(|state, _| match state.odd {
            true => (Told::Oddly, None),
            false => state.groups[self.group].poll(self.member, &state.channels, cx, room, into),
        });
        match told {
            Told::Intake(intake) => Poll::Ready(Ok(intake)),
            Told::Parked => Poll::Pending,
            Told::Gone => Poll::Ready(Err(gone("consume"))),
            Told::Oddly => self.poll_oddly(cx, room, into),
        }
    }

    /// The floors say nothing here that the tokens do not.
    fn settle(&mut self, settled: &[Token], _floors: &[Floor]) {
        self.broker.run(|state, wakes| {
            let group = &mut state.groups[self.group];
            if !group.settle(self.member, settled) {
                return;
            }
            if group.waits_for_others() {
                group.wake_hungry(wakes);
            }
            state.moved(self.group, wakes);
        });
    }

    fn poll_record(&mut self, _cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        let recorded =
            self.broker.run(|state, _| state.groups[self.group].record(self.member, suspect.as_ref()));
        Poll::Ready(if recorded { Ok(()) } else { Err(gone("record")) })
    }

    fn note(&mut self, notes: &[Note]) {
        self.broker.run(|state, _| state.groups[self.group].note(self.member, notes));
    }

    fn release(&mut self, partitions: &Partitions) {
        self.broker.run(|state, wakes| state.groups[self.group].release(self.member, partitions, wakes));
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !std::mem::replace(&mut self.left, true) {
            self.broker.run(|state, wakes| state.leave(self.group, self.member, wakes));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        if !self.left {
            self.broker.run(|state, wakes| state.crash(self.group, self.member, wakes));
        }
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
