//! What a subscription has taken and not settled, over all its shards: for the limits, and for the floors.

use hashbrown::HashMap;

use crate::{
    backend::{Delivery, Floor, Limits, Partitions, Room, Token},
    dispatch::marks::Marks,
};

#[derive(Debug)]
pub(super) struct Ledger {
    marks: Marks,
    open: HashMap<Token, Open>,
    /// How many of those count against the limits, and their bytes.
    held: usize,
    bytes: usize,
    limits: Limits,
}

#[derive(Debug)]
struct Open {
    ticket: u64,
    size: usize,
    /// Its partition is asked back: most of them are dropped by now, and what still runs is bounded by `concurrency`.
    leaving: bool,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        let open = HashMap::with_capacity(limits.held);
        Self { marks: Marks::default(), open, held: 0, bytes: 0, limits }
    }

    pub(super) fn take(&mut self, delivery: &Delivery) {
        let (ticket, size) = (self.marks.take(delivery.token), delivery.message.size());
        self.open.insert(delivery.token, Open { ticket, size, leaving: false });
        self.held += 1;
        self.bytes += size;
    }

    /// Notes that a delivery is settled; `false` if its generation is gone, and the consumer must not be told.
    pub(super) fn settle(&mut self, token: Token) -> bool {
        let Some(open) = self.open.remove(&token) else { return false };
        if !open.leaving {
            self.held -= 1;
            self.bytes -= open.size;
        }
        self.marks.settle(token, open.ticket)
    }

    /// What is held of these partitions counts no longer. It may still be settled.
    pub(super) fn leave(&mut self, partitions: &Partitions) {
        for (token, open) in &mut self.open {
            if partitions.contains(token.partition) && !std::mem::replace(&mut open.leaving, true) {
                self.held -= 1;
                self.bytes -= open.size;
            }
        }
    }

    /// Forgets partitions that are no longer ours.
    pub(super) fn forget(&mut self, partitions: &Partitions) {
        self.leave(partitions);
        self.open.retain(|token, _| !partitions.contains(token.partition));
        self.marks.forget(partitions);
    }

    /// What may still be taken, at most `most` deliveries.
    pub(super) fn room(&self, most: usize) -> Room {
        let gap = self.limits.gap.saturating_sub(self.marks.widest_gap());
        let gap = usize::try_from(gap).unwrap_or(usize::MAX);
        Room {
            count: self.limits.held.saturating_sub(self.held).min(most).min(gap),
            bytes: self.limits.held_bytes.saturating_sub(self.bytes),
        }
    }

    /// Writes the floors that rose since the last call. One that is there already, and was not told, is replaced.
    pub(super) fn floors(&mut self, into: &mut Vec<Floor>) {
        let before = into.len();
        self.marks.floors(into);
        let (old, new) = into.split_at(before);
        if old.iter().any(|old| new.iter().any(|new| new.partition == old.partition)) {
            let new = into.split_off(before);
            into.retain(|old| new.iter().all(|new| new.partition != old.partition));
            into.extend(new);
        }
    }
}
