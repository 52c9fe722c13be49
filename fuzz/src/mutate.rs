//! Edits of an input: what a sender, a broker or bad luck might do to it.

use fastrand::Rng;

/// The longest input that is made.
pub(crate) const MOST: usize = 4_096;

/// Numbers at which something overflows, ends or begins.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "64",
    "65",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "0.1e9",
];

/// Bytes that mean something to some reader.
const BYTES: [u8; 16] = *b"\0\n\r\t \":.,{}[]\xff\xc0\x80";

/// Edits `input` in a few places; `others` and `words` are what may be put into it.
pub(crate) fn mutate(rng: &mut Rng, input: &mut Vec<u8>, others: &[Vec<u8>], words: &[&str]) {
    for _ in 0..1 << rng.u32(0..4) {
        edit(rng, input, others, words);
    }
    input.truncate(MOST);
}

fn edit(rng: &mut Rng, input: &mut Vec<u8>, others: &[Vec<u8>], words: &[&str]) {
    let some = range(rng, input.len());
    match rng.u32(0..11) {
        0 => {
            if let Some(byte) = rng.choice(input.iter_mut()) {
                *byte ^= 1 << rng.u32(0..8);
            }
        }
        1 => {
            let new = if rng.bool() { rng.u8(..) } else { BYTES[rng.usize(..BYTES.len())] };
            if let Some(byte) = rng.choice(input.iter_mut()) {
                *byte = new;
            }
        }
        2 => input.insert(some.start, BYTES[rng.usize(..BYTES.len())]),
        3 => _ = input.drain(some),
        4 => input.truncate(some.start),
        // A word in the place of another, or between two.
        5 | 6 => {
            let word = rng.choice(words).map_or("", |word| word);
            replace(rng, input, word.as_bytes());
        }
        7 => {
            let number = NUMBERS[rng.usize(..NUMBERS.len())];
            let digits = input.iter().position(u8::is_ascii_digit).filter(|_| rng.bool());
            match digits {
                Some(at) => {
                    let end = input[at..].iter().position(|byte| !byte.is_ascii_digit());
                    input.splice(at..end.map_or(input.len(), |end| at + end), number.bytes());
                }
                None => replace(rng, input, number.as_bytes()),
            }
        }
        // The same again, once or often.
        8 => {
            let piece = input[some.clone()].to_vec();
            let often = if rng.u32(0..8) == 0 { rng.usize(2..200) } else { 1 };
            let room = MOST.saturating_sub(input.len()) / piece.len().max(1);
            input.splice(some.end..some.end, piece.repeat(often.min(room)));
        }
        9 => {
            let mut lines: Vec<Vec<u8>> = input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let (one, other) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
            if rng.bool() {
                lines.swap(one, other);
            } else {
                let line = lines[one].clone();
                lines.insert(other, line);
            }
            *input = lines.join(&b'\n');
        }
        _ => {
            let other = rng.choice(others).map_or(&b""[..], Vec::as_slice);
            let piece = other[range(rng, other.len())].to_vec();
            input.splice(some, piece);
        }
    }
    input.truncate(2 * MOST);
}

/// Puts `piece` in, in the place of as much or of nothing.
fn replace(rng: &mut Rng, input: &mut Vec<u8>, piece: &[u8]) {
    let start = rng.usize(..=input.len());
    let end = if rng.bool() { start } else { (start + piece.len()).min(input.len()) };
    input.splice(start..end, piece.iter().copied());
}

/// Some part of so many bytes; mostly a short one.
fn range(rng: &mut Rng, length: usize) -> std::ops::Range<usize> {
    let start = rng.usize(..=length);
    let most = if rng.u32(0..4) == 0 { length } else { length.min(16) };
    start..(start + rng.usize(..=most)).min(length)
}
