//! What arrives: into the window, into a lane.

use std::{
    hash::BuildHasher,
    task::{Context, Poll},
};

use super::{Phase, Revocation, Worker, attempts::AtOnce};
use crate::{
    backend::{Attribute, Delivery, Intake, Room},
    dispatch::{
        held::{Doom, Entry, Stage},
        routes::{Fate, Route, Unfolded},
    },
    error::{Error, ErrorKind, Result},
    event::EventDescriptor,
    layer::Settlement,
    outputs::Reason,
    policy::{Order, Unhandled},
    structured,
};

impl Worker {
    pub(super) fn intake(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let room = match self.phase {
            _ if self.ended => return Ok(false),
            Phase::Running if self.is_all_paused() => Room::NONE,
            Phase::Running => self.held.room(self.marks.widest_gap()),
            Phase::Draining(_) => Room::NONE,
            Phase::Ending | Phase::Closing(_) => return Ok(false),
        };
        let mut arrived = std::mem::take(&mut self.arrived);
        let polled = self.setup.consumer.poll_batch(cx, room, &mut arrived);
        let took = !arrived.is_empty();
        self.tally.received += arrived.len() as u64;
        if self.observing.is_some() {
            self.observe_arrivals(&arrived);
        }
        for delivery in &arrived {
            self.take(delivery)?;
        }
        arrived.clear();
        self.arrived = arrived;
        let Poll::Ready(intake) = polled else { return Ok(took) };
        match intake.map_err(|error| self.fatal(error))? {
            Intake::Deliveries => {}
            Intake::Revoking(partitions) => {
                self.abandon(&partitions, false);
                let deadline = self.now + self.setup.tuning.revoke_grace;
                self.revocations.push(Revocation { partitions, deadline });
            }
            Intake::Lost(partitions) => {
                self.abandon(&partitions, true);
                // Whoever has them now is told nothing by us.
                self.notes.retain(|note| !partitions.contains(note.token.partition));
                self.marks.forget(&partitions);
                self.revocations.retain_mut(|revocation| !revocation.partitions.lose(&partitions));
            }
            Intake::End => {
                self.ended = true;
                if self.phase == Phase::Running {
                    self.phase = Phase::Ending;
                }
            }
        }
        Ok(true)
    }

    fn take(&mut self, delivery: &Delivery) -> Result<()> {
        let (handler, event, doom) = match self.setup.routes.resolve(delivery) {
            Route::Handler(handler, event) => {
                return self.arrive(handler, event, delivery);
            }
            Route::Request(handler, event) => return self.take_request(handler, event, delivery),
            Route::Doomed(handler, doom) => (handler, None, doom),
            Route::Unread(handler, unread) => (handler, None, Box::new(self.hold_back(handler, *unread))),
            Route::Unfolded(unfolded) => return self.take_unfolded(delivery, *unfolded),
            Route::Unhandled(handler) => match self.setup.unhandled {
                Unhandled::Skip => {
                    self.tally.skipped += 1;
                    if self.observing.is_some() {
                        self.observe_passed(delivery, Settlement::Skipped);
                    }
                    self.pass(delivery.token);
                    return Ok(());
                }
                Unhandled::DeadLetter => {
                    let error = format!("group {} does not handle it", self.setup.subscription.group);
                    (handler, None, Box::new(Doom::new(Reason::Unhandled, error)))
                }
                Unhandled::Stop => return Err(self.unhandled(delivery)),
            },
        };
        let expires = self.expiry_of_doomed(handler, &doom, delivery);
        self.wait_in_lane(Entry { doom: Some(doom), expires, ..Entry::new(delivery.clone(), handler, event) })
    }

    /// A structured CloudEvent goes on as what it was unfolded to.
    #[cold]
    fn take_unfolded(&mut self, delivery: &Delivery, unfolded: Unfolded) -> Result<()> {
        let Unfolded { message, handler, fate } = unfolded;
        let delivery = Delivery { message, ..delivery.clone() };
        let doom = match fate {
            Fate::Run(event) if delivery.past.is_some() => {
                return self.arrive_with_past(handler, event, &delivery);
            }
            Fate::Run(event) => return self.wait_in_lane(Entry::new(delivery, handler, event)),
            Fate::Request(event) => return self.take_request(handler, event, &delivery),
            Fate::Unread(unread) => Box::new(self.hold_back(handler, unread)),
            Fate::Doomed(doom) => doom,
        };
        let expires = self.expiry_of_doomed(handler, &doom, &delivery);
        self.wait_in_lane(Entry { doom: Some(doom), expires, ..Entry::new(delivery, handler, None) })
    }

    fn arrive(
        &mut self,
        handler: usize,
        event: Option<&'static EventDescriptor>,
        delivery: &Delivery,
    ) -> Result<()> {
        if delivery.past.is_some() {
            return self.arrive_with_past(handler, event, delivery);
        }
        let at_once = self.run_at_once(handler, event, delivery);
        if matches!(at_once, AtOnce::Done) {
            return Ok(());
        }
        let entry = Entry::new(delivery.clone(), handler, event);
        if matches!(at_once, AtOnce::Wait) {
            return self.wait_in_lane(entry);
        }
        let id = self.hold(Entry { stage: Stage::Running, ..entry })?;
        self.enter_lane(id);
        match at_once {
            AtOnce::Began(slot, polled) => self.go_on(id, handler, slot, polled),
            AtOnce::Stuck(sent) => self.follow_up(&[id], sent),
            AtOnce::Done | AtOnce::Wait => {}
        }
        Ok(())
    }

    /// Takes a delivery into the window, and puts it in line behind those of its lane.
    pub(super) fn wait_in_lane(&mut self, entry: Entry) -> Result<()> {
        let handler = entry.handler;
        let id = self.hold(entry)?;
        self.setup.runners[handler].arrived();
        if self.enter_lane(id) {
            self.enqueue(id);
        }
        Ok(())
    }

    /// Takes a delivery into the window. The consumer was told the room, so there is a place.
    pub(super) fn hold(&mut self, mut entry: Entry) -> Result<u32> {
        let token = entry.delivery.token;
        entry.ticket = self.marks.take(token);
        self.held.insert(entry, self.now).ok_or_else(|| {
            let text = format!("the consumer delivered {token:?} beyond the room it was given");
            Error::new(ErrorKind::Fatal, "consume", text).at(self.setup.outlet.backend.system())
        })
    }

    /// Whether nothing of a delivery's lane is unsettled.
    pub(super) fn is_lane_free(&self, delivery: &Delivery) -> bool {
        if self.lanes.is_empty() {
            return true;
        }
        match Lane::of(self.setup.subscription.order, delivery) {
            None => true,
            Some(Lane::Key(key)) => {
                let same =
                    |other| self.held.get(other).is_some_and(|e| e.delivery.message.key() == Some(key));
                !self.lanes.is_taken(self.hasher.hash_one(key), same)
            }
            Some(Lane::Partition(partition)) => {
                let same =
                    |other| self.held.get(other).is_some_and(|e| e.delivery.token.partition == partition);
                !self.lanes.is_taken(self.hasher.hash_one(partition), same)
            }
        }
    }

    /// Puts a delivery into its lane; `true` if it is the first in it.
    pub(super) fn enter_lane(&mut self, id: u32) -> bool {
        let Self { held, lanes, hasher, setup, .. } = self;
        let Some(entry) = held.get(id) else { return false };
        match Lane::of(setup.subscription.order, &entry.delivery) {
            Some(Lane::Key(key)) => {
                let same = |other| held.get(other).is_some_and(|e| e.delivery.message.key() == Some(key));
                lanes.arrive(id, hasher.hash_one(key), same)
            }
            Some(Lane::Partition(partition)) => {
                let same = |other| held.get(other).is_some_and(|e| e.delivery.token.partition == partition);
                lanes.arrive(id, hasher.hash_one(partition), same)
            }
            None => {
                lanes.arrive_alone(id);
                true
            }
        }
    }

    /// Puts the head of a lane in line, unless it runs already: a batch has several of one lane.
    pub(super) fn enqueue(&mut self, id: u32) {
        if self.repeats.is_some() && self.claim(id) {
            return;
        }
        if let Some(entry) = self.held.get(id).filter(|entry| entry.stage == Stage::Waiting) {
            self.setup.runners[entry.handler].enqueue(id, entry.solo, self.now);
        }
    }

    /// What the consumer says cannot be healed, so the bus cannot go on, whatever kind of error it is.
    pub(super) fn fatal(&self, error: Error) -> Error {
        let (group, topic) = (&self.setup.subscription.group, &self.setup.subscription.filter);
        let text = format!("group {group} cannot go on with {topic}: {error}");
        Error::new(ErrorKind::Fatal, "consume", text).at(self.setup.outlet.backend.system()).because(error)
    }

    pub(super) fn unhandled(&self, delivery: &Delivery) -> Error {
        let unfolded = structured::unfold(&delivery.message).and_then(Result::ok);
        let message = unfolded.as_ref().unwrap_or(&delivery.message);
        let kind = message.attribute(Attribute::Type).map(String::from_utf8_lossy).unwrap_or_default();
        let (group, topic) = (&self.setup.subscription.group, &delivery.topic);
        let text = format!(
            "group {group} does not handle `{kind}` of {topic}, and `unhandled = stop` was asked for; handle it, or \
             move past it with `unhandled = skip` or `dead_letter`"
        );
        Error::new(ErrorKind::Fatal, "dispatch", text)
    }
}

/// What orders a delivery.
enum Lane<'a> {
    Key(&'a [u8]),
    Partition(u32),
}

impl<'a> Lane<'a> {
    fn of(order: Order, delivery: &'a Delivery) -> Option<Self> {
        match order {
            Order::Key => delivery.message.key().map(Lane::Key),
            Order::Partition => Some(Lane::Partition(delivery.token.partition)),
            Order::None => None,
        }
    }
}
