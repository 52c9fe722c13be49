//! Hashes in order, each with the index of what it was made of: how equals find each other among hundreds.

/// Bits of an entry that hold the index.
const INDEX: u32 = 16;

/// Up to `N` entries: the upper bits of a hash, and an index. Equal hashes stand side by side, in the order of their
/// indices. That two are equal is a hint, to be confirmed by what they were made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sorted<const N: usize> {
    entries: [u64; N],
    len: usize,
}

impl<const N: usize> Sorted<N> {
    pub(super) const NEW: Self = Self { entries: [0; N], len: 0 };

    pub(super) const fn push(&mut self, hash: u64, index: usize) {
        self.entries[self.len] = hash >> INDEX << INDEX | index as u64;
        self.len += 1;
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn index(&self, at: usize) -> usize {
        (self.entries[at] & ((1 << INDEX) - 1)) as usize
    }

    /// Whether the entry has the same hash as the one before it.
    pub(super) const fn repeats(&self, at: usize) -> bool {
        at > 0 && self.entries[at] >> INDEX == self.entries[at - 1] >> INDEX
    }

    /// The first entry of at least this hash.
    pub(super) const fn first(&self, hash: u64) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = (low + high) / 2;
            if self.entries[middle] >> INDEX < hash >> INDEX {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Whether the entry has this hash.
    pub(super) const fn has(&self, at: usize, hash: u64) -> bool {
        at < self.len && self.entries[at] >> INDEX == hash >> INDEX
    }

    /// Puts the entries in order, by merging ever longer runs.
    pub(super) const fn sort(&mut self) {
        let mut run = 1;
        while run < self.len {
            let from = self.entries;
            let mut begin = 0;
            while begin < self.len {
                let middle = least(begin + run, self.len);
                let end = least(middle + run, self.len);
                let (mut left, mut right, mut to) = (begin, middle, begin);
                while to < end {
                    if right >= end || (left < middle && from[left] <= from[right]) {
                        self.entries[to] = from[left];
                        left += 1;
                    } else {
                        self.entries[to] = from[right];
                        right += 1;
                    }
                    to += 1;
                }
                begin = end;
            }
            run *= 2;
        }
    }

    /// Keeps the entry of a place, in front of all that are not kept.
    pub(super) const fn keep(&mut self, at: usize, as_nth: usize) {
        self.entries[as_nth] = self.entries[at];
    }

    pub(super) const fn truncate(&mut self, len: usize) {
        self.len = len;
    }
}

/// One hash of two.
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    (a.rotate_left(29) ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const fn least(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_stand_side_by_side() {
        let mut sorted = Sorted::<7>::NEW;
        for (index, hash) in [5, 3, 5, 1, 3, 5].into_iter().enumerate() {
            sorted.push(hash << 40, index);
        }
        sorted.sort();
        let indices: Vec<_> = (0..sorted.len()).map(|at| sorted.index(at)).collect();
        assert_eq!(indices, [3, 1, 4, 0, 2, 5]);
        let repeats: Vec<_> = (0..sorted.len()).map(|at| sorted.repeats(at)).collect();
        assert_eq!(repeats, [false, false, true, false, true, true]);
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|hash| sorted.first(hash << 40)), [0, 0, 1, 1, 3, 3, 6]);
        assert!(sorted.has(3, 5 << 40) && !sorted.has(3, 4 << 40) && !sorted.has(6, 6 << 40));
    }
}
