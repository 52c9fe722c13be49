//! The watermarks of a subscription's partitions, and the floors that changed since the consumer was last told.

use crate::{
    backend::{Floor, Partitions, Token},
    dispatch::watermark::Watermark,
};

#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// By partition; consumers number them densely.
    partitions: Vec<Option<Watermark>>,
    changed: Vec<u32>,
}

impl Marks {
    /// Notes a delivery; the ticket settles it.
    pub(crate) fn take(&mut self, token: Token) -> u64 {
        let at = token.partition as usize;
        if at >= self.partitions.len() {
            self.partitions.resize_with(at + 1, || None);
        }
        let mark = self.partitions[at].get_or_insert_with(|| Watermark::new(token.generation));
        if mark.generation() != token.generation {
            *mark = Watermark::new(token.generation);
        }
        mark.take(token.position)
    }

    /// Notes that a delivery is settled; `false` if its generation is gone, and the consumer must not be told.
    pub(crate) fn settle(&mut self, token: Token, ticket: u64) -> bool {
        let mark = self.partitions.get_mut(token.partition as usize).and_then(Option::as_mut);
        let Some(mark) = mark.filter(|mark| mark.generation() == token.generation) else { return false };
        if mark.settle(ticket) && !self.changed.contains(&token.partition) {
            self.changed.push(token.partition);
        }
        true
    }

    /// Forgets partitions that are no longer ours.
    pub(crate) fn forget(&mut self, gone: &Partitions) {
        for (partition, mark) in (0..).zip(&mut self.partitions) {
            if gone.contains(partition) {
                *mark = None;
            }
        }
        self.changed.retain(|partition| !gone.contains(*partition));
    }

    /// The widest distance, over all partitions, from the lowest unsettled to the highest taken position.
    pub(crate) fn widest_gap(&self) -> u64 {
        self.partitions.iter().flatten().map(Watermark::gap).max().unwrap_or_default()
    }

    /// Writes the floors that rose since the last call.
    pub(crate) fn floors(&mut self, into: &mut Vec<Floor>) {
        for partition in self.changed.drain(..) {
            let mark = self.partitions.get(partition as usize).and_then(Option::as_ref);
            let floor = mark.and_then(|mark| Some((mark.generation(), mark.floor()?)));
            into.extend(floor.map(|(generation, position)| Floor { partition, generation, position }));
        }
    }
}
