//! What is remembered of a subscription beside its position: who runs it, what was running when a process died, and how
//! many attempts deliveries had that were given back.
//!
//! The last message of a subject of the consumer's own holds it, as lines of text. It is small: only what was noted or is
//! suspect is in it, and what is settled is forgotten.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::backend::Past;

/// The state of one ordered consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Journal {
    /// The instance that wrote it last.
    owner: String,
    /// It has not closed.
    is_running: bool,
    /// The suspect that is about to run.
    pub(super) recorded: Option<u64>,
    /// From and to: what a process held that died, without having recorded anything.
    suspects: Option<(u64, u64)>,
    memos: BTreeMap<u64, Memo>,
}

/// What is known of one delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memo {
    pub(super) attempts: u32,
    pub(super) is_suspect: bool,
    pub(super) crashes: u32,
}

impl Journal {
    /// Reads one. Lines that are not understood say nothing.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut journal = Self::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            let mut words = line.split(' ');
            let kind = words.next().unwrap_or_default();
            let words: Vec<&str> = words.collect();
            let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
            let small = |at: usize| number(at).and_then(|number| u32::try_from(number).ok());
            match (kind, number(0), number(1)) {
                ("running", ..) => {
                    (journal.owner, journal.is_running) = (words.join(" "), true);
                }
                ("recorded", Some(sequence), _) => journal.recorded = Some(sequence),
                ("suspects", Some(from), Some(to)) => journal.suspects = Some((from, to)),
                ("memo", Some(sequence), Some(_)) => {
                    let memo = Memo {
                        attempts: small(1).unwrap_or_default(),
                        is_suspect: number(2) == Some(1),
                        crashes: small(3).unwrap_or_default(),
                    };
                    journal.memos.insert(sequence, memo);
                }
                _ => {}
            }
        }
        journal
    }

    pub(super) fn write(&self) -> String {
        let mut text = String::new();
        if self.is_running {
            let _ = writeln!(text, "running {}", self.owner);
        }
        if let Some(sequence) = self.recorded {
            let _ = writeln!(text, "recorded {sequence}");
        }
        if let Some((from, to)) = self.suspects {
            let _ = writeln!(text, "suspects {from} {to}");
        }
        for (sequence, Memo { attempts, is_suspect, crashes }) in &self.memos {
            let _ = writeln!(text, "memo {sequence} {attempts} {} {crashes}", u8::from(*is_suspect));
        }
        text
    }

    /// An instance takes the consumer over. All up to `floor` is settled, and nothing behind `delivered` was delivered.
    pub(super) fn take_over(&mut self, owner: &str, floor: u64, delivered: u64) {
        let recorded = self.recorded.take().filter(|sequence| *sequence > floor);
        if self.is_running && self.owner != owner {
            // Whoever was recorded did it. Where nobody was, anything that it held may have.
            match recorded {
                Some(sequence) => {
                    let crashes = self.past(sequence).map_or(0, |past| past.crashes);
                    let memo = self.memos.entry(sequence).or_default();
                    (memo.is_suspect, memo.crashes) = (true, crashes.saturating_add(1));
                }
                None if delivered > floor => self.suspects = Some((floor + 1, delivered)),
                None => {}
            }
        }
        (self.owner, self.is_running) = (owner.to_owned(), true);
        self.memos.retain(|sequence, _| *sequence > floor);
        self.suspects = self.suspects.filter(|(_, to)| *to > floor);
    }

    /// The instance closes in order, and these had so many attempts.
    pub(super) fn close(&mut self, notes: impl IntoIterator<Item = (u64, u32)>) {
        for (sequence, attempts) in notes {
            self.memos.entry(sequence).or_default().attempts = attempts;
        }
        (self.is_running, self.recorded) = (false, None);
    }

    pub(super) fn past(&self, sequence: u64) -> Option<Past> {
        let is_among = self.suspects.is_some_and(|(from, to)| (from..=to).contains(&sequence));
        let memo = self.memos.get(&sequence).copied();
        if memo.is_none() && !is_among {
            return None;
        }
        let memo = memo.unwrap_or_default();
        let crashes = if is_among { memo.crashes.max(1) } else { memo.crashes };
        Some(Past {
            attempts: memo.attempts,
            suspect: memo.is_suspect || is_among,
            crashes,
            ..Past::default()
        })
    }
}

/// What is remembered of one delivery of a consumer without order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Single {
    pub(super) attempts: u32,
    pub(super) crashes: u32,
    /// It was about to run as a suspect.
    pub(super) is_recorded: bool,
    /// It was given back in order after so many deliveries.
    pub(super) given_back: u64,
}

impl Single {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut numbers = text.split(' ').map(|word| word.parse::<u64>().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        let mut small = || u32::try_from(next()).unwrap_or(u32::MAX);
        let (attempts, crashes, is_recorded) = (small(), small(), small() == 1);
        Self { attempts, crashes, is_recorded, given_back: next() }
    }

    pub(super) fn write(&self) -> String {
        let Self { attempts, crashes, is_recorded, given_back } = self;
        format!("{attempts} {crashes} {} {given_back}", u8::from(*is_recorded))
    }

    /// What it means for a delivery that comes for the `delivered`th time.
    pub(super) fn past(known: Option<Self>, delivered: u64) -> Past {
        let Some(known) = known else {
            return Past { suspect: true, crashes: 1, ..Past::default() };
        };
        let crashed = known.given_back + 1 != delivered;
        let crashes = match (crashed, known.is_recorded) {
            (true, true) => known.crashes.saturating_add(1),
            (true, false) => known.crashes.max(1),
            (false, _) => known.crashes,
        };
        Past { attempts: known.attempts, suspect: crashes > 0, crashes, ..Past::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut journal = Journal::default();
        journal.take_over("a b", 3, 9);
        journal.recorded = Some(5);
        journal.memos.insert(7, Memo { attempts: 2, is_suspect: true, crashes: 1 });
        assert_eq!(Journal::read(journal.write().as_bytes()), journal);
        assert_eq!(Journal::read(b"memo x\nsuspects 1\n\xff\n"), Journal::default());
        let single = Single { attempts: 1, crashes: 2, is_recorded: true, given_back: 4 };
        assert_eq!(Single::read(single.write().as_bytes()), single);
    }

    #[test]
    fn a_clean_hand_over_suspects_nobody_and_tells_the_attempts() {
        let mut journal = Journal::default();
        journal.take_over("a", 0, 0);
        journal.close([(4, 3)]);
        journal.take_over("b", 2, 9);
        assert_eq!(journal.past(4), Some(Past { attempts: 3, ..Past::default() }));
        assert_eq!(journal.past(5), None);
    }

    #[test]
    fn a_crash_is_blamed_on_whoever_was_recorded_or_on_all() {
        let mut journal = Journal::default();
        journal.take_over("a", 0, 0);
        journal.take_over("b", 2, 9);
        let past = journal.past(9).unwrap();
        assert_eq!((past.suspect, past.crashes, journal.past(2), journal.past(10)), (true, 1, None, None));
        journal.recorded = Some(5);
        journal.take_over("c", 3, 9);
        journal.recorded = Some(5);
        journal.take_over("d", 3, 9);
        assert_eq!((journal.past(5).unwrap().crashes, journal.past(6).unwrap().crashes), (3, 1));
        // The same instance after a reconnect has not died.
        journal.take_over("d", 3, 12);
        assert_eq!(journal.past(11), None);
    }

    #[test]
    fn a_delivery_without_order_counts_for_itself() {
        assert_eq!(Single::past(None, 2).crashes, 1);
        let known = Single { attempts: 2, given_back: 1, ..Single::default() };
        assert_eq!(Single::past(Some(known), 2), Past { attempts: 2, ..Past::default() });
        let known = Single { crashes: 1, is_recorded: true, ..Single::default() };
        assert_eq!(Single::past(Some(known), 3).crashes, 2);
    }
}
