//! Hashes, each with the index of what it was made of: how equals find each other among hundreds.
//!
//! A statement costs the compiler's interpreter about a microsecond, so a table is looked into a few times per item,
//! where sorting would compare each a dozen times.

/// A table with open addressing. `N` is a power of two, and larger than the number of entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<const N: usize> {
    hashes: [u64; N],
    indices: [usize; N],
}

impl<const N: usize> Table<N> {
    pub(super) const NEW: Self = Self { hashes: [0; N], indices: [0; N] };

    /// Adds an entry, unless there is one of the same hash: that is a hint that both were made of the same, to be
    /// confirmed by what they were made of. 0 is no hash.
    pub(super) const fn insert(&mut self, hash: u64, index: usize) -> Option<usize> {
        let place = self.place(hash);
        if self.hashes[place] == hash {
            return Some(self.indices[place]);
        }
        (self.hashes[place], self.indices[place]) = (hash, index);
        None
    }

    /// The index of the entry of this hash.
    pub(super) const fn find(&self, hash: u64) -> Option<usize> {
        let place = self.place(hash);
        if self.hashes[place] == hash { Some(self.indices[place]) } else { None }
    }

    /// Where an entry is, or would be.
    const fn place(&self, hash: u64) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "the lower bits are what is asked for")]
        let mut place = (hash ^ hash >> 32) as usize & (N - 1);
        while self.hashes[place] != 0 && self.hashes[place] != hash {
            place = (place + 1) & (N - 1);
        }
        place
    }
}

/// One hash of two.
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    (a.rotate_left(29) ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// The `N` for so many entries.
pub(super) const fn room(entries: usize) -> usize {
    (2 * entries + 2).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_meet_and_others_make_way() {
        const N: usize = room(6);
        let mut table = Table::<N>::NEW;
        // All of them want the same place.
        let hash = |nth: u64| (nth + 1) << 40 | 7;
        for (nth, index) in (0..6).zip(0..) {
            assert_eq!(table.insert(hash(nth), index), None);
        }
        for (nth, index) in (0..6).zip(0..) {
            assert_eq!(table.insert(hash(nth), 99), Some(index));
            assert_eq!(table.find(hash(nth)), Some(index));
        }
        assert_eq!(table.find(hash(6)), None);
    }
}
