//! What became of the deliveries of one partition: a state machine without I/O.

use std::collections::{BTreeMap, VecDeque};

use super::record::{Memo, Record};
use crate::backend::Past;

/// The progress of one assignment of one partition.
///
/// * `entries` has everything delivered that is at or above the floor, in the order of delivery, so that holes in the
///   offsets, which compaction and transactions leave, do no harm.
/// * What `before` says holds from `next` on; below, the entries say more.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: VecDeque<Entry>,
    /// One more than the highest delivered offset; at first where it begins.
    next: u64,
    before: Record,
    memos: BTreeMap<u64, Memo>,
    recorded: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    offset: u64,
    settled: bool,
}

impl Ledger {
    /// Begins at a committed offset, with what was found beside it. `crashed` says how much of what follows is
    /// suspect, if whoever had it died: its deliveries end below it.
    pub(super) fn new(floor: u64, mut before: Record, crashed: Option<u64>) -> Self {
        let mut memos: BTreeMap<u64, Memo> = std::mem::take(&mut before.memos).into_iter().collect();
        let culprit = before.recorded.take();
        if let Some(suspects_end) = crashed {
            match culprit {
                // Whoever was recorded did it.
                Some(offset) => {
                    let known = u32::from(offset < before.suspects_end);
                    let memo = memos.entry(offset).or_default();
                    memo.crashes = memo.crashes.max(known).saturating_add(1);
                }
                // Where nobody was, anything may have.
                None => before.suspects_end = before.suspects_end.max(suspects_end),
            }
        }
        Self { entries: VecDeque::new(), next: floor, before, memos, recorded: None }
    }

    /// Takes note that an offset is delivered, and says what is known of it; `None`: it is finished already.
    pub(super) fn deliver(&mut self, offset: u64) -> Option<Option<Box<Past>>> {
        if offset < self.next {
            return None;
        }
        if self.before.is_done(offset) {
            // Beyond it, what is known from before is known from here.
            if !self.entries.is_empty() {
                self.entries.push_back(Entry { offset, settled: true });
            }
            self.next = offset + 1;
            return None;
        }
        self.entries.push_back(Entry { offset, settled: false });
        self.next = offset + 1;
        let is_suspect = offset < self.before.suspects_end;
        if !is_suspect && self.memos.is_empty() {
            return Some(None);
        }
        let memo = self.memos.get(&offset).copied().unwrap_or_default();
        let crashes = memo.crashes.max(u32::from(is_suspect));
        let past = Past { attempts: memo.attempts, suspect: crashes > 0, crashes, ..Past::default() };
        Some((past != Past::default()).then(|| Box::new(past)))
    }

    /// `true` if that is news.
    pub(super) fn settle(&mut self, offset: u64) -> bool {
        let Some(entry) = self.entry(offset).filter(|entry| !entry.settled) else { return false };
        entry.settled = true;
        while self.entries.front().is_some_and(|entry| entry.settled) {
            self.entries.pop_front();
        }
        if !self.memos.is_empty() {
            self.memos.remove(&offset);
        }
        true
    }

    /// A suspect is about to run, or none is; `true` if that is news.
    pub(super) fn record(&mut self, suspect: Option<u64>) -> bool {
        let suspect = suspect.filter(|offset| self.entry(*offset).is_some_and(|entry| !entry.settled));
        std::mem::replace(&mut self.recorded, suspect) != suspect
    }

    /// Whether this is what is recorded, or was.
    pub(super) fn is_recorded(&self, offset: u64) -> bool {
        self.recorded == Some(offset)
    }

    pub(super) fn note(&mut self, offset: u64, attempts: u32) {
        if self.entry(offset).is_some_and(|entry| !entry.settled) {
            self.memos.entry(offset).or_default().attempts = attempts;
        }
    }

    /// Everything below is settled.
    pub(super) fn floor(&self) -> u64 {
        if let Some(first) = self.entries.front() {
            return first.offset;
        }
        // What was finished before need not be delivered for that.
        match self.before.open.iter().find(|(_, to)| *to > self.next) {
            Some((from, _)) if *from < self.before.high => self.next.max(*from),
            _ => self.next.max(self.before.high),
        }
    }

    /// What is to be committed: the floor, and what goes beside it.
    pub(super) fn commit(&self, owner: u64) -> (u64, Record) {
        let floor = self.floor();
        let mut record = Record {
            owner,
            recorded: self.recorded.filter(|offset| *offset >= floor),
            suspects_end: self.before.suspects_end.max(floor),
            high: floor,
            open: Vec::new(),
            memos: self.memos.range(floor..).map(|(offset, memo)| (*offset, *memo)).collect(),
        };
        let highest = self.entries.iter().rev().find(|entry| entry.settled).map(|entry| entry.offset + 1);
        let above = self.before.high > self.next;
        let Some(high) = (if above { Some(self.before.high) } else { highest }) else {
            return (floor, record);
        };
        record.high = high.max(floor);
        let unsettled = self.entries.iter().filter(|entry| !entry.settled && entry.offset < record.high);
        for entry in unsettled {
            extend(&mut record.open, entry.offset, entry.offset + 1);
        }
        for (from, to) in self.before.open.iter().filter(|(_, to)| above && *to > self.next) {
            extend(&mut record.open, (*from).max(self.next).max(floor), *to);
        }
        (floor, record)
    }

    fn entry(&mut self, offset: u64) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        self.entries.get_mut(at)
    }
}

/// Adds a range at the end of ascending ones.
fn extend(ranges: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    match ranges.last_mut() {
        Some((_, end)) if *end == from => *end = to,
        _ if from < to => ranges.push((from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn restart(ledger: &Ledger, owner: u64, crashed: Option<u64>) -> Ledger {
        let (floor, record) = ledger.commit(owner);
        let text = record.encode(floor, super::super::record::MOST);
        Ledger::new(floor, Record::decode(&text, floor).unwrap(), crashed)
    }

    proptest! {
        /// Over offsets with holes, settlements in any order and restarts: nothing unsettled is skipped, nothing
        /// settled and committed is delivered again, and the floor never passes what is unsettled.
        #[test]
        fn nothing_is_lost_and_nothing_is_repeated(
            gaps in prop::collection::vec(1_u64..4, 1..120),
            moves in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..200),
        ) {
            let log: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut ledger = Ledger::new(0, Record::default(), None);
            let (mut settled, mut held, mut cursor) = (BTreeSet::new(), Vec::new(), 0);
            for (index, kind) in moves {
                match kind {
                    0 => {
                        ledger = restart(&ledger, 1, None);
                        held.clear();
                        cursor = log.partition_point(|offset| *offset < ledger.floor());
                    }
                    1..=4 if cursor < log.len() => {
                        let offset = log[cursor];
                        cursor += 1;
                        match ledger.deliver(offset) {
                            Some(_) => {
                                prop_assert!(!settled.contains(&offset));
                                held.push(offset);
                            }
                            None => prop_assert!(settled.contains(&offset), "{} was skipped", offset),
                        }
                    }
                    _ if !held.is_empty() => {
                        let offset = held.swap_remove(index.index(held.len()));
                        prop_assert!(ledger.settle(offset));
                        prop_assert!(!ledger.settle(offset));
                        settled.insert(offset);
                    }
                    _ => {}
                }
                let unsettled = log.iter().find(|offset| !settled.contains(offset));
                prop_assert!(unsettled.is_none_or(|first| ledger.floor() <= *first));
            }
            let unfinished: Vec<u64> = log.iter().copied().filter(|offset| !settled.contains(offset)).collect();
            let mut last = restart(&ledger, 1, None);
            let floor = last.floor();
            let again: Vec<u64> =
                log.iter().copied().filter(|offset| *offset >= floor && last.deliver(*offset).is_some()).collect();
            prop_assert_eq!(again, unfinished);
        }
    }

    #[test]
    fn a_crash_makes_suspects_and_whoever_was_recorded_did_it() {
        let mut first = Ledger::new(0, Record::default(), None);
        (0..5).for_each(|offset| assert_eq!(first.deliver(offset), Some(None)));
        first.settle(1);
        let mut second = restart(&first, 1, Some(4));
        let past = second.deliver(0).unwrap().unwrap();
        assert!(past.suspect && past.crashes == 1);
        assert!(second.deliver(1).is_none());
        assert!(second.deliver(2).unwrap().unwrap().suspect);
        assert!(second.record(Some(2)) && !second.record(Some(2)));
        let mut third = restart(&second, 2, Some(9));
        assert_eq!(third.deliver(0).unwrap().unwrap().crashes, 1);
        assert_eq!(third.deliver(2).unwrap().unwrap().crashes, 2);
        assert_eq!(third.deliver(3).unwrap().unwrap().crashes, 1);
        assert_eq!(third.deliver(4), Some(None));
        assert!(third.record(Some(2)) && third.record(None));
        assert_eq!(restart(&third, 0, None).deliver(2).unwrap().unwrap().crashes, 2);
    }

    #[test]
    fn attempts_are_handed_over() {
        let mut first = Ledger::new(7, Record::default(), None);
        first.deliver(7);
        first.deliver(9);
        first.note(9, 3);
        let mut second = restart(&first, 0, None);
        assert_eq!(second.deliver(7), Some(None));
        assert_eq!(second.deliver(9).unwrap().unwrap().attempts, 3);
        second.settle(9);
        second.settle(7);
        assert_eq!(second.commit(0), (10, Record { suspects_end: 10, high: 10, ..Record::default() }));
    }
}
