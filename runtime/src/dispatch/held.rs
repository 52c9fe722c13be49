//! The deliveries that a subscription has taken and not settled: a slab of fixed size, so that nothing is allocated
//! per delivery and the promise 'at most `held`' is a property of the structure.

use std::time::SystemTime;

use crate::{
    backend::{Delivery, Room},
    clock::Moment,
    dispatch::worker::End,
    event::EventDescriptor,
    outputs::Reason,
    policy::Limits,
};

/// The most deliveries that are taken at once, so that a large window does not delay what is running.
pub(crate) const INTAKE: usize = 128;

/// One delivery from arrival to settlement.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) delivery: Delivery,
    /// For the partition's watermark.
    pub(crate) ticket: u64,
    /// Which of the subscription's handlers runs it.
    pub(crate) handler: usize,
    /// The event it is, where the program knows it.
    pub(crate) event: Option<&'static EventDescriptor>,
    /// The attempt that runs, or that is next; from 1.
    pub(crate) attempt: u32,
    pub(crate) stage: Stage,
    /// It goes to the dead letters when its turn comes, and is never run.
    pub(crate) doom: Option<Box<Doom>>,
    /// A member of a batch that failed: it runs alone now.
    pub(crate) solo: bool,
    /// A process may have died of it.
    pub(crate) suspect: bool,
    /// Its work is claimed in the dedupe store.
    pub(crate) is_claimed: bool,
    /// How it ended, where the dedupe store is to be told first.
    pub(crate) end: Option<End>,
    /// How often in a row the dedupe store did not answer.
    pub(crate) refusals: u32,
    /// It was settled before it ran.
    pub(crate) is_settled: bool,
    /// When its first attempt failed.
    pub(crate) failed_at: Option<SystemTime>,
    /// A request: from then on nobody waits for the reply, and it is not run.
    pub(crate) expires: Moment,
}

impl Entry {
    /// A delivery that waits for its first attempt.
    pub(crate) const fn new(
        delivery: Delivery,
        handler: usize,
        event: Option<&'static EventDescriptor>,
    ) -> Self {
        let stage = Stage::Waiting;
        Self {
            delivery,
            ticket: 0,
            handler,
            event,
            attempt: 1,
            stage,
            doom: None,
            solo: false,
            suspect: false,
            is_claimed: false,
            end: None,
            refusals: 0,
            is_settled: false,
            failed_at: None,
            expires: Moment::NEVER,
        }
    }
}

impl Entry {
    /// Whether something is being done for it that a drain waits for.
    pub(crate) const fn is_under_way(&self) -> bool {
        // One whose work is finished has only the dedupe store to tell.
        matches!(self.stage, Stage::Running | Stage::Publishing) || self.end.is_some()
    }
}

/// Why a delivery is never run.
#[derive(Debug)]
pub(crate) struct Doom {
    pub(crate) reason: Reason,
    pub(crate) error: String,
    pub(crate) held_back: Option<HeldBack>,
}

/// It waits, since a newer instance may be able to run it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldBack {
    pub(crate) until: Moment,
    /// Which of the worker's sightings it belongs to.
    pub(crate) sighting: usize,
}

impl Doom {
    pub(crate) const fn new(reason: Reason, error: String) -> Self {
        Self { reason, error, held_back: None }
    }
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Behind another in its lane, or at its head and waiting for a slot.
    Waiting,
    /// At the head of its lane, while the dedupe store is asked whether its work is done.
    Claiming,
    /// In a slot.
    Running,
    /// Until its next attempt.
    Sleeping,
    /// What it returned, or its dead letter, is being published.
    Publishing,
}

#[derive(Debug)]
pub(crate) struct Held {
    entries: Vec<Option<Entry>>,
    vacant: Vec<u32>,
    bytes: usize,
    limits: Limits,
}

impl Held {
    pub(crate) fn new(limits: Limits) -> Self {
        let count = u32::try_from(limits.held).unwrap_or(u32::MAX);
        Self {
            entries: std::iter::repeat_with(|| None).take(limits.held).collect(),
            vacant: (0..count).rev().collect(),
            bytes: 0,
            limits,
        }
    }

    /// Takes an entry in, if there is a place.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<u32> {
        let id = self.vacant.pop()?;
        self.bytes += entry.delivery.message.size();
        self.entries[id as usize] = Some(entry);
        Some(id)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Entry> {
        let entry = self.entries[id as usize].take()?;
        self.bytes -= entry.delivery.message.size();
        self.vacant.push(id);
        Some(entry)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Entry> {
        self.entries[id as usize].as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries[id as usize].as_mut()
    }

    /// Every entry with its id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(&self.entries).filter_map(|(id, entry)| Some((id, entry.as_ref()?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What may still be taken, given the widest gap of a partition.
    pub(crate) fn room(&self, gap: u64) -> Room {
        let gap = usize::try_from(self.limits.gap.saturating_sub(gap)).unwrap_or(usize::MAX);
        Room {
            count: self.vacant.len().min(INTAKE).min(gap),
            bytes: self.limits.held_bytes.saturating_sub(self.bytes),
        }
    }
}
