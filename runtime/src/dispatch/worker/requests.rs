//! Requests: one that has expired is not run, and whoever asked is told when one is given up.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::{End, Worker, attempts::id_of};
use crate::{
    backend::{Delivery, Publishing},
    clock::Moment,
    dispatch::{
        effects::Effect,
        held::{Doom, Entry},
    },
    envelope::Cause,
    error::{Error, Result},
    event::EventDescriptor,
    reply::{self, Asked},
    scope::Scope,
};

/// The reason of a reply to a request that an outcome discarded.
pub(super) const DISCARDED: &str = "discarded";

impl Worker {
    /// Takes a request in, unless nobody waits for the reply any more.
    #[cold]
    pub(super) fn take_request(
        &mut self,
        handler: usize,
        event: &'static EventDescriptor,
        delivery: &Delivery,
    ) -> Result<()> {
        let expires = self.expiry(delivery);
        if expires <= self.now {
            log_expired(delivery);
            self.tally.expired += 1;
            self.pass(delivery.token);
            return Ok(());
        }
        let mut entry = match delivery.past {
            Some(_) => self.with_past(handler, Some(event), delivery),
            None => Entry::new(delivery.clone(), handler, Some(event)),
        };
        if entry.doom.is_none() {
            entry.expires = expires;
        }
        self.wait_in_lane(entry)
    }

    /// From when on nobody waits for the reply.
    fn expiry(&self, delivery: &Delivery) -> Moment {
        reply::time_to_live(&delivery.message).map_or(Moment::NEVER, |time_to_live| {
            let age = delivery.past.as_ref().and_then(|past| past.age).unwrap_or_default();
            self.now + time_to_live.saturating_sub(age)
        })
    }

    /// The same for what is never run here: a request that waits for a newer instance waits no longer than its caller.
    pub(super) fn expiry_of_doomed(&self, handler: usize, doom: &Doom, delivery: &Delivery) -> Moment {
        match doom.held_back {
            Some(_) if self.setup.routes.answers(handler) => self.expiry(delivery),
            Some(_) | None => Moment::NEVER,
        }
    }

    /// Settles a request that expired while it waited for its turn.
    #[cold]
    pub(super) fn expire(&mut self, id: u32) {
        self.survived(id);
        if let Some(entry) = self.held.get_mut(id) {
            log_expired(&entry.delivery);
            if let Some(doom) = entry.doom.take() {
                self.lose_sight(&doom);
            }
        }
        self.settle(id, End::Expired);
    }

    /// Tells whoever asked that there will be no reply; nothing, if it is no request. It is told once, and nothing
    /// waits for it: who does not hear of it has a time-out.
    #[cold]
    pub(super) fn refuse(&mut self, id: u32, reason: &str, error: &str) {
        let Some(Entry { delivery, handler, .. }) = self.held.get(id) else { return };
        if !self.setup.routes.answers(*handler) {
            return;
        }
        let Some(asked) = Asked::by(delivery) else { return };
        let scope: &Scope = &self.setup.runners[*handler].scope;
        let refusal = asked.refusal(scope, Cause { delivery }, reason, error);
        let mut publishing = match refusal {
            Ok(refusal) => self.setup.outlet.send(refusal),
            Err(error) => Publishing::ready(Err(error)),
        };
        match publishing.now() {
            Some(Ok(_)) => {}
            Some(Err(error)) => log_lost(&error),
            None => self.refusals.push(publishing),
        }
    }

    pub(super) fn poll_refusals(&mut self, cx: &mut Context<'_>) {
        if self.refusals.is_empty() {
            return;
        }
        self.refusals.retain_mut(|publishing| match Pin::new(publishing).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                if let Err(error) = answer {
                    log_lost(&error);
                }
                false
            }
        });
    }

    /// A reply cannot be published. It is not sent again and its request is not run again: at most one reply, and what
    /// the handler did is done.
    #[cold]
    pub(super) fn unanswered(&mut self, effect: &Effect, error: &Error) {
        log_lost(error);
        effect.members.iter().for_each(|id| self.settle(*id, End::Handled));
    }
}

fn log_expired(delivery: &Delivery) {
    tracing::debug!(
        messaging.destination.name = %delivery.topic,
        messaging.message.id = %id_of(delivery),
        "the request expired; it is not run"
    );
}

fn log_lost(error: &Error) {
    tracing::warn!(%error, "the reply to a request cannot be published; whoever asked waits in vain");
}
