//! How far a group is in one partition.

use std::collections::VecDeque;

use super::index;

/// The cursor, below which everything is settled, and the set of what is settled above it.
///
/// The set is one bit a position from the word that holds the cursor on, so that a stuck delivery with a gap of
/// 20,000 above it costs 2.5 KB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    cursor: u64,
    words: VecDeque<u64>,
}

impl Progress {
    pub(super) const fn at(cursor: u64) -> Self {
        Self { cursor, words: VecDeque::new() }
    }

    /// The lowest position that is not settled.
    pub(super) const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The position after the highest settled one; the cursor where nothing above it is settled.
    pub(super) fn end(&self) -> u64 {
        // The last word holds the highest one: it was added for it.
        self.words.back().map_or(self.cursor, |bits| {
            let words = self.cursor / BITS + self.words.len() as u64;
            (words * BITS - u64::from(bits.leading_zeros())).max(self.cursor)
        })
    }

    pub(super) fn is_settled(&self, position: u64) -> bool {
        position < self.cursor
            || self.words.get(self.word(position)).is_some_and(|word| word & bit(position) != 0)
    }

    /// Says whether the cursor moved.
    #[inline(always)]
    pub(super) fn settle(&mut self, position: u64) -> bool {
        if position > self.cursor {
            let word = self.word(position);
            if self.words.len() <= word {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= bit(position);
        } else if position == self.cursor {
            self.advance();
            return true;
        }
        false
    }

    fn advance(&mut self) {
        let mut word = self.cursor / BITS;
        self.cursor += 1;
        loop {
            if self.cursor / BITS > word {
                word += 1;
                self.words.pop_front();
            }
            let Some(&bits) = self.words.front() else { return };
            // The zeros that are shifted in from above end the run at the word's end at the latest.
            let run = u64::from((bits >> (self.cursor % BITS)).trailing_ones());
            if run == 0 {
                return;
            }
            self.cursor += run;
        }
    }

    fn word(&self, position: u64) -> usize {
        index(position / BITS - self.cursor / BITS)
    }
}

const BITS: u64 = 64;

const fn bit(position: u64) -> u64 {
    1 << (position % BITS)
}
