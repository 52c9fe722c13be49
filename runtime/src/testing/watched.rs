//! A handler's attempts that write down how each went.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::journal::{Journal, Place};
use crate::{
    attempts::Attempts,
    input::Arrival,
    outputs::{Outbox, Rejection},
};

pub(super) struct Watched {
    pub(super) attempts: Box<dyn Attempts>,
    pub(super) journal: Arc<Journal>,
    /// What runs in each slot.
    pub(super) slots: Vec<Option<Run>>,
}

pub(super) struct Run {
    group: String,
    places: Vec<Place>,
}

impl Watched {
    fn end(&mut self, slot: usize, result: &Result<(), Rejection>) {
        if let Some(Run { group, places }) = self.slots.get_mut(slot).and_then(Option::take) {
            places.iter().for_each(|place| self.journal.ran(&group, place, result));
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
        let group = outbox.scope.group.clone();
        let mut places: Vec<Place> = arrival.items.iter().map(|item| Place::of(item.delivery)).collect();
        for (incoming, place) in arrival.items.iter().zip(&places) {
            self.journal.began(incoming.scope, place.clone(), incoming.attempt);
        }
        let polled = self.attempts.start(slot, arrival, cx, outbox);
        // Members of a batch that cannot be read are not part of its run.
        if let Some(rejected) = arrival.rejected {
            for (nth, rejection) in rejected.borrow().iter() {
                self.journal.rejected(&group, &places[*nth], rejection);
            }
            let mut nth = 0..places.len();
            places
                .retain(|_| nth.next().is_none_or(|nth| !rejected.borrow().iter().any(|(at, _)| *at == nth)));
        }
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(Run { group, places });
        if let Poll::Ready(result) = &polled {
            self.end(slot, result);
        }
        polled
    }

    fn poll(
        &mut self,
        slot: usize,
        cx: &mut Context<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Poll<Result<(), Rejection>> {
        let polled = self.attempts.poll(slot, cx, outbox);
        if let Poll::Ready(result) = &polled {
            self.end(slot, result);
        }
        polled
    }

    fn cancel(&mut self, slot: usize) {
        self.attempts.cancel(slot);
        if let Some(Run { group, places }) = self.slots.get_mut(slot).and_then(Option::take) {
            places.iter().for_each(|place| self.journal.dropped(&group, place));
        }
    }
}
