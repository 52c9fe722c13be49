//! What arrives: into the window, into a lane.

use std::{
    hash::BuildHasher,
    task::{Context, Poll},
};

use super::{Phase, Revocation, Worker};
use crate::{
    backend::{Attribute, Delivery, Intake, Room},
    dispatch::{
        held::{Entry, Stage},
        routes::Route,
    },
    error::{Error, ErrorKind, Result},
    outputs::Reason,
    policy::{Order, Unhandled},
};

impl Worker {
    pub(super) fn intake(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let room = match self.phase {
            Phase::Running => self.held.room(self.marks.widest_gap()),
            Phase::Draining(_) => Room::NONE,
            Phase::Ending | Phase::Closing(_) => return Ok(false),
        };
        let mut arrived = std::mem::take(&mut self.arrived);
        let polled = self.setup.consumer.poll_batch(cx, room, &mut arrived);
        let took = !arrived.is_empty();
        for delivery in arrived.drain(..) {
            self.take(delivery)?;
        }
        self.arrived = arrived;
        let Poll::Ready(intake) = polled else { return Ok(took) };
        match intake? {
            Intake::Deliveries => {}
            Intake::Revoking(partitions) => {
                self.abandon(&partitions, false);
                let deadline = self.now + self.setup.tuning.revoke_grace;
                self.revocations.push(Revocation { partitions, deadline });
            }
            Intake::Lost(partitions) => {
                self.abandon(&partitions, true);
                self.marks.forget(&partitions);
                self.revocations.retain(|revocation| revocation.partitions != partitions);
            }
            Intake::End => {
                if self.phase == Phase::Running {
                    self.phase = Phase::Ending;
                }
            }
        }
        Ok(true)
    }

    pub(super) fn take(&mut self, delivery: Delivery) -> Result<()> {
        self.tally.received += 1;
        let ticket = self.marks.take(delivery.token);
        let (handler, event, doom) = match self.setup.routes.resolve(&delivery) {
            Route::Handler(handler, event) => (handler, event, None),
            Route::Doomed(handler, reason, error) => (handler, None, Some(Box::new((reason, error)))),
            Route::Unhandled => match self.setup.unhandled {
                Unhandled::Skip => {
                    self.tally.skipped += 1;
                    if self.marks.settle(delivery.token, ticket) {
                        self.settled.push(delivery.token);
                    }
                    return Ok(());
                }
                Unhandled::DeadLetter => {
                    let error = format!("group {} does not handle it", self.setup.subscription.group);
                    (0, None, Some(Box::new((Reason::Unhandled, error))))
                }
                Unhandled::Stop => return Err(self.unhandled(&delivery)),
            },
        };
        let token = delivery.token;
        let entry = Entry {
            delivery,
            ticket,
            handler,
            event,
            attempt: 1,
            stage: Stage::Waiting,
            doom,
            solo: false,
            failed_at: None,
        };
        let id = self.held.insert(entry).map_err(|entry| {
            let text = format!("the consumer delivered {token:?} beyond the room it was given");
            drop(entry);
            Error::new(ErrorKind::Fatal, "consume", text).at(self.setup.outlet.backend.system())
        })?;
        self.setup.runners[handler].arrived();
        if self.enter_lane(id) {
            self.enqueue(id);
        }
        Ok(())
    }

    /// Puts a delivery into its lane; `true` if it is the first in it.
    pub(super) fn enter_lane(&mut self, id: u32) -> bool {
        let Self { held, lanes, hasher, setup, .. } = self;
        let Some(entry) = held.get(id) else { return false };
        match (setup.subscription.order, entry.delivery.message.key()) {
            (Order::Key, Some(key)) => {
                let same =
                    |other| held.get(other).is_some_and(|other| other.delivery.message.key() == Some(key));
                lanes.arrive(id, hasher.hash_one(key), same)
            }
            (Order::Partition, _) => {
                let partition = entry.delivery.token.partition;
                let same =
                    |other| held.get(other).is_some_and(|other| other.delivery.token.partition == partition);
                lanes.arrive(id, hasher.hash_one(partition), same)
            }
            (Order::Key | Order::None, _) => {
                lanes.arrive_alone(id);
                true
            }
        }
    }

    pub(super) fn enqueue(&mut self, id: u32) {
        if let Some(entry) = self.held.get(id) {
            self.setup.runners[entry.handler].enqueue(id, entry.solo, self.now);
        }
    }

    pub(super) fn unhandled(&self, delivery: &Delivery) -> Error {
        let kind =
            delivery.message.attribute(Attribute::Type).map(String::from_utf8_lossy).unwrap_or_default();
        let (group, topic) = (&self.setup.subscription.group, &delivery.topic);
        let text = format!(
            "group {group} does not handle `{kind}` of {topic}, and `unhandled = stop` was asked for; handle it, or \
             move past it with `unhandled = skip` or `dead_letter`"
        );
        Error::new(ErrorKind::Fatal, "dispatch", text)
    }
}
