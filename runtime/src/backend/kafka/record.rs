//! What goes into a commit beside the offset: what is finished above it, and what whoever is next must know.
//!
//! A commit's metadata is text of at most 4,095 bytes. It is a version, the fields as variable-length integers with a
//! checksum behind them, in letters that mean themselves everywhere. What does not read like that is not ours, and says
//! nothing. What does not fit is left out from the top: it is then run again, never skipped.

/// The most bytes of metadata that a broker takes.
pub(super) const MOST: usize = 4_095;

const VERSION: &str = "tb1:";

/// What is known beside a committed offset. All offsets are absolute here, and relative to the commit in writing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    /// Whose deliveries these are; 0 after a clean hand-over. Whoever finds another owner knows that it died.
    pub(super) owner: u64,
    /// The suspect that was about to run.
    pub(super) recorded: Option<u64>,
    /// What is unsettled below it is suspect.
    pub(super) suspects_end: u64,
    /// What is below it and not open is finished.
    pub(super) high: u64,
    /// What is not finished below `high`, as ascending ranges `[from, to)`.
    pub(super) open: Vec<(u64, u64)>,
    /// What is known of single offsets, ascending.
    pub(super) memos: Vec<(u64, Memo)>,
}

/// What is known of one offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Memo {
    pub(super) attempts: u32,
    pub(super) crashes: u32,
}

impl Record {
    /// Whether an offset is finished.
    pub(super) fn is_done(&self, offset: u64) -> bool {
        offset < self.high && {
            let after = self.open.partition_point(|(from, _)| *from <= offset);
            after == 0 || self.open[after - 1].1 <= offset
        }
    }

    /// The text beside a commit of `floor`, in at most `most` bytes.
    pub(super) fn encode(&self, floor: u64, most: usize) -> String {
        let most = most.saturating_sub(VERSION.len()) / 4 * 3;
        let room = most.saturating_sub(CHECKSUM);
        let above = |offset: u64| offset.saturating_sub(floor);
        let mut bytes = Vec::with_capacity(64);
        put(&mut bytes, self.owner);
        put(&mut bytes, self.recorded.map_or(0, |offset| above(offset) + 1));
        put(&mut bytes, above(self.suspects_end));
        let memos = self.encode_memos(floor, room / 2);
        bytes.extend_from_slice(&memos);
        let (mut ranges, mut count, mut last, mut high) = (Vec::new(), 0, floor, self.high);
        for (from, to) in &self.open {
            let before = ranges.len();
            put(&mut ranges, from.saturating_sub(last));
            put(&mut ranges, to.saturating_sub(*from));
            // Two integers more are to come: how high it goes, and how many there are.
            if bytes.len() + ranges.len() + 20 > room {
                ranges.truncate(before);
                high = *from;
                break;
            }
            (count, last) = (count + 1, *to);
        }
        put(&mut bytes, above(high));
        put(&mut bytes, count);
        bytes.extend_from_slice(&ranges);
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        format!("{VERSION}{}", letters(&bytes))
    }

    /// The lowest ones that fit.
    fn encode_memos(&self, floor: u64, room: usize) -> Vec<u8> {
        let (mut bytes, mut count, mut last) = (Vec::new(), 0, floor);
        for (offset, memo) in &self.memos {
            let before = bytes.len();
            put(&mut bytes, offset.saturating_sub(last));
            put(&mut bytes, memo.attempts.into());
            put(&mut bytes, memo.crashes.into());
            if bytes.len() > room {
                bytes.truncate(before);
                break;
            }
            (count, last) = (count + 1, *offset);
        }
        let mut all = Vec::with_capacity(bytes.len() + 2);
        put(&mut all, count);
        all.extend_from_slice(&bytes);
        all
    }

    /// Reads the text beside a commit of `floor`; `None` if it is not ours.
    pub(super) fn decode(text: &str, floor: u64) -> Option<Self> {
        let bytes = bytes(text.strip_prefix(VERSION)?)?;
        let (bytes, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        if checksum(bytes).to_le_bytes() != sum {
            return None;
        }
        let mut rest = bytes;
        let mut next = || take(&mut rest);
        let owner = next()?;
        let recorded = match next()? {
            0 => None,
            above => Some(floor.checked_add(above - 1)?),
        };
        let suspects_end = floor.checked_add(next()?)?;
        let mut memos = Vec::new();
        let mut last = floor;
        for _ in 0..next()? {
            last = last.checked_add(next()?)?;
            let memo = Memo { attempts: next()?.try_into().ok()?, crashes: next()?.try_into().ok()? };
            memos.push((last, memo));
        }
        let high = floor.checked_add(next()?)?;
        let mut open = Vec::new();
        let mut last = floor;
        for _ in 0..next()? {
            let from = last.checked_add(next()?)?;
            last = from.checked_add(next()?)?;
            open.push((from, last));
        }
        rest.is_empty().then_some(Self { owner, recorded, suspects_end, high, open, memos })
    }
}

/// Seven bits a byte, the lowest first; the eighth says that there are more.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return bytes.push(low & 0x7f);
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const CHECKSUM: usize = 4;

/// FNV-1a: against accidents, such as a text that was cut off.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding.
fn letters(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain(&[0, 0]).take(3).fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        for nth in 0..=chunk.len() {
            let index = (word >> (18 - 6 * nth)) & 63;
            text.push(char::from(LETTERS[index as usize]));
        }
    }
    text
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: &u8| {
        let at = LETTERS.iter().position(|other| other == letter)?;
        u32::try_from(at).ok()
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for chunk in text.as_bytes().chunks(4) {
        let word = chunk.iter().try_fold(0_u32, |word, letter| Some(word << 6 | digit(letter)?))?;
        let word = word << (6 * (4 - chunk.len()));
        let [_, a, b, c] = word.to_be_bytes();
        bytes.extend_from_slice([a, b, c].get(..chunk.len().checked_sub(1).filter(|length| *length > 0)?)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = (u64, Record)> {
        let ranges = prop::collection::vec((0_u64..300, 1_u64..300), 0..40);
        let memos = prop::collection::vec((1_u64..1_000, 0_u32..9, 0_u32..4), 0..20);
        let sizes =
            (0_u64..1 << 50, any::<u64>(), prop::option::of(0_u64..20_000), 0_u64..20_000, 1_u64..500);
        (sizes, ranges, memos).prop_map(|((floor, owner, recorded, suspects, tail), ranges, memos)| {
            let (mut open, mut last) = (Vec::new(), floor);
            for (gap, run) in ranges {
                open.push((last + gap, last + gap + run));
                last += gap + run + 1;
            }
            let mut at = floor;
            let memo = |(gap, attempts, crashes)| {
                at += gap;
                (at, Memo { attempts, crashes })
            };
            let record = Record {
                owner,
                recorded: recorded.map(|above| floor + above),
                suspects_end: floor + suspects,
                high: last + tail,
                open,
                memos: memos.into_iter().map(memo).collect(),
            };
            (floor, record)
        })
    }

    proptest! {
        #[test]
        fn what_fits_is_read_as_it_was_written((floor, record) in records()) {
            let text = record.encode(floor, MOST);
            prop_assert!(text.len() <= MOST);
            prop_assert_eq!(Record::decode(&text, floor), Some(record));
        }

        #[test]
        fn what_does_not_fit_is_never_finished((floor, record) in records(), most in 80_usize..400) {
            let text = record.encode(floor, most);
            prop_assert!(text.len() <= most, "{} > {most}", text.len());
            let read = Record::decode(&text, floor).unwrap();
            for offset in floor..record.high + 10 {
                prop_assert!(!read.is_done(offset) || record.is_done(offset), "{}", offset);
            }
            prop_assert_eq!((read.owner, read.recorded), (record.owner, record.recorded));
        }

        #[test]
        fn what_is_cut_or_foreign_says_nothing((floor, record) in records(), cut in 0_usize..4_000, any in ".*") {
            let text = record.encode(floor, MOST);
            prop_assert_eq!(Record::decode(&text[..cut.min(text.len() - 1)], floor), None);
            prop_assert_eq!(Record::decode(&any, floor), None);
            let _ = Record::decode(&format!("{VERSION}{any}"), floor);
        }
    }

    #[test]
    fn three_stuck_among_twenty_thousand_are_a_few_bytes() {
        let open = [0, 9_000, 15_000].map(|at| (1_000_000 + at, 1_000_001 + at)).to_vec();
        let record = Record { owner: 7, high: 1_020_000, open, ..Record::default() };
        let text = record.encode(1_000_000, MOST);
        assert!(text.len() <= 44, "{} bytes: {text}", text.len());
        assert_eq!((0..20_000).filter(|at| !record.is_done(1_000_000 + at)).count(), 3);
    }
}
