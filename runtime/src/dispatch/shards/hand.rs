//! The real consumer, in the hands of whoever has the turn.

use crate::backend::{Consumer, Delivery, Floor, Note, Partitions, Token};

/// The turn: whoever has it calls the consumer.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) consumer: Box<dyn Consumer>,
    pub(super) arrived: Vec<Delivery>,
    pub(super) told: Told,
}

#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) settled: Vec<Token>,
    pub(super) floors: Vec<Floor>,
    pub(super) notes: Vec<Note>,
    /// Those of partitions whose floors are told before.
    pub(super) releases: Vec<Partitions>,
}

impl Hand {
    pub(super) fn new(consumer: Box<dyn Consumer>) -> Self {
        Self { consumer, arrived: Vec::new(), told: Told::default() }
    }

    /// Tells the consumer what it is to be told.
    pub(super) fn tell(&mut self) {
        let Told { settled, floors, notes, releases } = &mut self.told;
        if !settled.is_empty() {
            self.consumer.settle(settled, floors);
            settled.clear();
            floors.clear();
        }
        if !notes.is_empty() {
            self.consumer.note(notes);
            notes.clear();
        }
        releases.drain(..).for_each(|partitions| self.consumer.release(&partitions));
    }
}

impl Told {
    pub(super) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.notes.is_empty() && self.releases.is_empty()
    }

    /// Leaves out what is lost.
    pub(super) fn forget(&mut self, lost: &Partitions) {
        self.settled.retain(|token| !lost.contains(token.partition));
        self.floors.retain(|floor| !lost.contains(floor.partition));
        self.notes.retain(|note| !lost.contains(note.token.partition));
        self.releases.retain_mut(|partitions| !partitions.lose(lost));
    }
}
