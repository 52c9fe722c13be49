//! What follows an attempt: publishing what was returned, or a dead letter.

use super::{End, Worker, attempts::id_of};
use crate::{
    backend::{Outgoing, Publishing, Sender},
    dispatch::{
        conditions::Condition,
        dead_letter::Obituary,
        effects::{Effect, Purpose, is_permanent},
        held::Stage,
    },
    error::{Error, ErrorKind},
    outcome::Outcome,
    outputs::{Reason, Rejection},
    policy::DeadLetterTo,
    reply,
    scope::Scope,
    topic::Topic,
};

/// How far the sending of a handler's outputs came.
pub(super) enum Sent {
    /// Everything is confirmed.
    All,
    /// So many are confirmed; the next is under way.
    Pending(usize, Publishing),
    /// So many are confirmed; the next failed.
    Failed(usize, Error),
}

impl Worker {
    /// Publishes what a handler returned; settles at once if the backend answers at once.
    pub(super) fn publish(&mut self, members: &[u32]) {
        let sent = self.send();
        self.follow_up(members, sent);
    }

    /// Sends what is in the outbox, for as long as the backend answers at once.
    pub(super) fn send(&mut self) -> Sent {
        let mut confirmed = 0;
        while let Some(next) = self.outgoing.get(confirmed) {
            let mut publishing = self.setup.outlet.send(next.clone());
            match publishing.now() {
                Some(Ok(_)) => self.setup.outlet.count(&next.topic),
                Some(Err(error)) => return Sent::Failed(confirmed, error),
                None => return Sent::Pending(confirmed, publishing),
            }
            confirmed += 1;
        }
        self.outgoing.clear();
        Sent::All
    }

    /// Settles the deliveries whose outputs were sent, or makes an effect of what is left.
    pub(super) fn follow_up(&mut self, members: &[u32], sent: Sent) {
        let (confirmed, publishing, error) = match sent {
            Sent::All => return members.iter().for_each(|id| self.settle(*id, End::Handled)),
            Sent::Pending(confirmed, publishing) => (confirmed, Some(publishing), None),
            Sent::Failed(confirmed, error) => (confirmed, None, Some(error)),
        };
        let queue = self.outgoing.drain(..);
        let effect = Effect::resume(members, Purpose::Outputs, queue, confirmed, publishing);
        match error {
            Some(error) => self.failed(effect, error),
            None => self.add_effect(effect),
        }
    }

    /// Writes the dead letter of a delivery, and settles it when that is confirmed.
    pub(super) fn bury(&mut self, id: u32, reason: Reason, error: &str, attempts: u32) {
        self.refuse(id, reason.as_str(), error);
        let Some(entry) = self.held.get(id) else { return };
        let Scope { handler, group, .. } = &*self.setup.runners[entry.handler].scope;
        let topic = match self.setup.runners[entry.handler].policy.dead_letter {
            DeadLetterTo::Discard => {
                tracing::warn!(%group, handler, %reason, error, "discarded, since `dead_letter = discard` was asked for");
                return self.settle(id, End::Discarded);
            }
            DeadLetterTo::Topic(topic) => Topic::from_static(topic),
            DeadLetterTo::Group => Topic::from(format!("dead.{group}")),
        };
        tracing::warn!(
            messaging.destination.name = %entry.delivery.topic,
            messaging.consumer.group.name = %group,
            messaging.message.id = %id_of(&entry.delivery),
            handler,
            attempts,
            %reason,
            error,
            "dead letter"
        );
        let first = entry.failed_at;
        let obituary = Obituary { delivery: &entry.delivery, reason, error, attempts, handler, group, first };
        let message = obituary.write(self.max_message);
        let outgoing = Outgoing { topic, message, sender: Sender::DeadLetter, options: None };
        let mut publishing = self.setup.outlet.send(outgoing.clone());
        match publishing.now() {
            Some(Ok(_)) => {
                self.setup.outlet.count(&outgoing.topic);
                self.settle(id, End::DeadLettered);
            }
            Some(Err(error)) => {
                let queue = std::iter::once(outgoing);
                self.failed(Effect::resume(&[id], Purpose::DeadLetter(reason), queue, 0, None), error);
            }
            None => {
                let queue = std::iter::once(outgoing);
                self.add_effect(Effect::resume(
                    &[id],
                    Purpose::DeadLetter(reason),
                    queue,
                    0,
                    Some(publishing),
                ));
            }
        }
    }

    fn add_effect(&mut self, effect: Effect) {
        self.mark_publishing(&effect);
        self.effects.add(effect);
    }

    pub(super) fn mark_publishing(&mut self, effect: &Effect) {
        for id in &effect.members {
            if let Some(entry) = self.held.get_mut(*id) {
                entry.stage = Stage::Publishing;
            }
        }
    }

    pub(super) fn poll_effects(&mut self) -> bool {
        let mut finished = std::mem::take(&mut self.finished);
        self.effects.poll(&self.setup.outlet, self.now, &mut finished);
        let progress = !finished.is_empty();
        for (effect, result) in finished.drain(..) {
            match result {
                Ok(()) => {
                    let end = match effect.purpose {
                        Purpose::Outputs => End::Handled,
                        Purpose::DeadLetter(_) => End::DeadLettered,
                    };
                    if end == End::DeadLettered && effect.has_failed() {
                        self.setup.conditions.remove(|known| matches!(known, Condition::Unwritable { .. }));
                    }
                    effect.members.iter().for_each(|id| self.settle(*id, end));
                }
                Err(error) => self.failed(effect, error),
            }
        }
        self.finished = finished;
        progress
    }

    /// A publication failed: it is tried again, without running the handler; what can never succeed becomes a dead
    /// letter. A dead letter itself is tried for ever.
    pub(super) fn failed(&mut self, effect: Effect, error: Error) {
        if reply::is_topic(effect.topic()) {
            return self.unanswered(&effect, &error);
        }
        let (group, topic) = (&self.setup.subscription.group, effect.topic());
        if effect.purpose == Purpose::Outputs && is_permanent(&error) && error.kind() != ErrorKind::Closed {
            let rejection = Rejection::new(Outcome::DeadLetter, Reason::PublishFailed, &effect.told(&error));
            return match &effect.members[..] {
                [only] => {
                    let attempts = self.held.get(*only).map_or(1, |entry| entry.attempt);
                    self.bury(*only, rejection.reason, &rejection.error, attempts);
                }
                several => self.split(several, &rejection),
            };
        }
        if let Purpose::DeadLetter(reason) = effect.purpose {
            tracing::error!(%group, %topic, %reason, %error, "the dead letter cannot be written; it is tried until it can");
            self.setup.conditions.add(Condition::Unwritable { topic: topic.to_owned() });
        } else {
            tracing::warn!(%group, %topic, %error, "what a handler returned is not confirmed; it is sent again");
        }
        self.mark_publishing(&effect);
        self.effects.again(effect, self.now);
    }
}
