//! One subscription in several workers, since one task is one core.
//!
//! [`split`] makes several consumers of one. Each worker owns one of them and takes it for a broker's: deliveries, news
//! and settlements mean what they always mean. Behind them is one [`Split`], which owns the real consumer.
//!
//! Invariants:
//! - A lane lives in one shard: deliveries go by their key, or by their partition, where that is the order.
//! - The limits bound the subscription, not the shard: what waits here, unknown to a worker, counts as taken.
//! - The real consumer is told floors over all shards, each settled token once, and each answer to a revocation once,
//!   when every shard has given it.
//! - Whoever is polled polls the real consumer, for all. What that one says wakes every shard that sleeps, so none
//!   depends on another that is busy, or gone.
//! - No lock is held while the real consumer is called, or a waker.

mod hand;
mod ledger;
mod split;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use self::split::{News, Split};
use crate::{
    backend::{Consumer, Delivery, Floor, Intake, Note, Partitions, Room, Token},
    error::Result,
    policy::{Limits, Order},
};

/// The most shards of a subscription: sets of them are the bits of a word.
pub(crate) const MOST: usize = 64;

/// Makes `count` consumers, 1 to [`MOST`], of one.
pub(crate) fn split(
    consumer: Box<dyn Consumer>,
    count: usize,
    order: Order,
    limits: Limits,
) -> Vec<Box<dyn Consumer>> {
    let split = Arc::new(Split::new(consumer, count, order, limits));
    let shard = |at| Shard { split: Arc::clone(&split), at, asked: Vec::new(), left: false };
    (0..count).map(|at| Box::new(shard(at)) as Box<dyn Consumer>).collect()
}

/// What one worker has of the subscription.
struct Shard {
    split: Arc<Split>,
    at: usize,
    /// The revocations that the worker knows of and has not answered, less what it knows to be lost.
    asked: Vec<(u64, Partitions)>,
    left: bool,
}

impl Consumer for Shard {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let news = ready!(self.split.poll(self.at, cx, room, into))?;
        Poll::Ready(Ok(match news {
            News::Deliveries => Intake::Deliveries,
            News::Revoking(number, partitions) => {
                self.asked.push((number, partitions.clone()));
                Intake::Revoking(partitions)
            }
            News::Lost(partitions) => {
                self.asked.retain_mut(|(_, asked)| !asked.lose(&partitions));
                Intake::Lost(partitions)
            }
            News::End => Intake::End,
        }))
    }

    /// The floors are those of this shard alone, and say nothing.
    fn settle(&mut self, settled: &[Token], _floors: &[Floor]) {
        self.split.settle(settled);
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        self.split.poll_record(self.at, cx, suspect)
    }

    fn note(&mut self, notes: &[Note]) {
        self.split.note(notes);
    }

    fn release(&mut self, partitions: &Partitions) {
        if let Some(at) = self.asked.iter().position(|(_, asked)| asked == partitions) {
            let (number, _) = self.asked.remove(at);
            self.split.release(self.at, number);
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !std::mem::replace(&mut self.left, true) {
            self.split.leave(self.at);
        }
        self.split.poll_close(self.at, cx)
    }
}

impl Drop for Shard {
    /// A worker that ends without closing crashed. The others must not wait for its answers.
    fn drop(&mut self) {
        if !self.left {
            self.split.leave(self.at);
        }
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("at", &self.at).field("left", &self.left).finish_non_exhaustive()
    }
}
