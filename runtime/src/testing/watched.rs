//! A handler's attempts that write down how each went.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::journal::{Journal, Member};
use crate::{
    attempts::Attempts,
    backend::Subscription,
    input::Arrival,
    outputs::{Outbox, Rejection},
};

pub(super) struct Watched {
    pub(super) attempts: Box<dyn Attempts>,
    pub(super) subscription: Subscription,
    pub(super) journal: Arc<Journal>,
    /// What runs in each slot.
    pub(super) slots: Vec<Vec<Member>>,
}

impl Watched {
    /// Notes how what runs in a slot ended, if it did.
    fn note(&mut self, slot: usize, polled: &Poll<Result<(), Rejection>>) {
        if let Poll::Ready(result) = polled {
            self.slots[slot].drain(..).for_each(|member| self.journal.ran(&member, result));
        }
    }
}

impl Attempts for Watched {
    fn start<'a>(
        &mut self,
        slot: usize,
        arrival: &Arrival<'a>,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'a>,
    ) -> Poll<Result<(), Rejection>> {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Vec::new);
        }
        for incoming in arrival.items {
            let member = Member::of(&self.subscription, incoming.delivery);
            self.journal.began(member.clone(), incoming.scope.handler, incoming.attempt);
            self.slots[slot].push(member);
        }
        let polled = self.attempts.start(slot, arrival, cx, outbox);
        if let Some(rejected) = arrival.rejected {
            // Members of a batch that cannot be read are no part of its run.
            let mut nth = 0..;
            let rejected = rejected.borrow();
            self.slots[slot].retain(|member| {
                let nth = nth.next();
                let rejection = rejected.iter().find(|(at, _)| Some(*at) == nth);
                rejection.inspect(|(_, rejection)| self.journal.rejected(member, rejection)).is_none()
            });
        }
        self.note(slot, &polled);
        polled
    }

    fn poll(
        &mut self,
        slot: usize,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Poll<Result<(), Rejection>> {
        let polled = self.attempts.poll(slot, cx, outbox);
        self.note(slot, &polled);
        polled
    }

    fn cancel(&mut self, slot: usize) {
        self.attempts.cancel(slot);
        if let Some(members) = self.slots.get_mut(slot) {
            members.drain(..).for_each(|member| self.journal.dropped(&member));
        }
    }
}
