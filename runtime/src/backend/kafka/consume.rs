//! Consuming: the worker's side. The client lives on a thread of its own, see `poll.rs`.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use super::{
    errors::closed,
    share::{End, Share, Stage},
};
use crate::{
    backend::{Consumer, Delivery, Floor, Intake, Note, Partitions, Room, Token},
    error::Result,
};

/// One member of a group. Dropping it is a crash: nothing more is committed.
pub(super) struct KafkaConsumer {
    share: Arc<Share>,
    group: String,
    commit_after: usize,
    /// Nothing of it outlives it, so that there is nothing to record.
    forgetful: bool,
    left: bool,
}

impl KafkaConsumer {
    pub(super) const fn new(share: Arc<Share>, group: String, commit_after: usize, forgetful: bool) -> Self {
        Self { share, group, commit_after, forgetful, left: false }
    }
}

impl Consumer for KafkaConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        if self.left {
            return Poll::Ready(Err(closed("consume")));
        }
        let mut state = self.share.lock();
        let before = state.load();
        if let Some(intake) = state.take(room, into) {
            let after = state.load();
            drop(state);
            if self.share.has_emptied(before, after) {
                self.share.bell.ring();
            }
            return Poll::Ready(Ok(intake));
        }
        if let Some(fatal) = state.fatal.take() {
            return Poll::Ready(Err(fatal));
        }
        // Under the lock, so that whoever pushes next sees the waker.
        self.share.wakers.park(cx);
        Poll::Pending
    }

    /// The floors say nothing here that the tokens do not: they follow the order of delivery too.
    fn settle(&mut self, settled: &[Token], _floors: &[Floor]) {
        let mut state = self.share.lock();
        let mut count = 0;
        let mut urgent = false;
        for token in settled {
            let Some(part) = state.of(token) else { continue };
            // Whoever comes next must not blame it.
            urgent |= part.ledger.is_recorded(token.position);
            if part.ledger.settle(token.position) {
                part.changed = true;
                count += 1;
            }
        }
        if count == 0 {
            return;
        }
        let before = state.completions;
        state.completions += count;
        state.urgent |= urgent;
        state.since.get_or_insert_with(Instant::now);
        let is_due = urgent || (before < self.commit_after && state.completions >= self.commit_after);
        drop(state);
        if is_due {
            self.share.bell.ring();
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        if self.forgetful {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.share.lock();
        if let Some(fatal) = state.fatal.take() {
            return Poll::Ready(Err(fatal));
        }
        let mut news = false;
        for at in 0..state.parts.len() {
            let part = &mut state.parts[at];
            if matches!(part.stage, Stage::Ours | Stage::Revoking) {
                let here = suspect
                    .filter(|token| token.partition as usize == at && token.generation == part.generation);
                let changed = part.ledger.record(here.map(|token| token.position));
                part.changed |= changed;
                news |= changed;
            }
        }
        if news {
            state.records += 1;
            self.share.bell.ring();
        }
        if state.durable_records == state.records {
            return Poll::Ready(Ok(()));
        }
        self.share.wakers.park(cx);
        Poll::Pending
    }

    fn note(&mut self, notes: &[Note]) {
        let mut state = self.share.lock();
        for Note { token, attempts } in notes {
            if let Some(part) = state.of(token) {
                part.ledger.note(token.position, *attempts);
                part.changed = true;
            }
        }
    }

    fn release(&mut self, partitions: &Partitions) {
        let mut state = self.share.lock();
        for number in state.in_stage(Stage::Revoking) {
            if partitions.contains(number)
                && let Some(part) = state.part(number)
            {
                part.stage = Stage::Released;
            }
        }
        drop(state);
        self.share.bell.ring();
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut state = self.share.lock();
        if state.end == End::None {
            state.end = End::Close;
            self.share.bell.ring();
        }
        if let Some(answer) = state.closed.take() {
            // A second close has nothing to say.
            state.closed = Some(Ok(()));
            self.left = true;
            return Poll::Ready(answer);
        }
        self.share.wakers.park(cx);
        Poll::Pending
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        let mut state = self.share.lock();
        if state.end == End::None {
            state.end = End::Crash;
            drop(state);
            self.share.bell.ring();
        }
    }
}

impl fmt::Debug for KafkaConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions = self.share.lock().in_stage(Stage::Ours).len();
        f.debug_struct("KafkaConsumer")
            .field("group", &self.group)
            .field("partitions", &partitions)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
