//! What goes wrong here, and always in the same way: lines that are no webhooks, an issue that nobody can file, and
//! a tracker that is down now and then.

use typebus::prelude::*;

/// Put after the lines of the file, in every repeat.
pub const MALFORMED: [&[u8]; 5] = [
    br#"{"event": "push", "payload": {"ref": "refs/heads/main""#,
    b"POST /webhooks HTTP/1.1",
    br#"{"kind": "push", "payload": {}}"#,
    br#"{"event": "star", "payload": {"action": 7}}"#,
    b"{\"event\": \"fork\", \"payload\": {\"forkee\": \"\xff\xfe\"}}",
];

/// Put after them in the first repeat: a perfect webhook about an issue that the [`Tracker`] chokes on.
pub const POISON: &[u8] = br#"{"event": "issues", "payload": {
    "action": "opened",
    "issue": {
        "number": 13, "title": "Robert'); DROP TABLE issues;--",
        "user": {"id": 327, "login": "bobby", "type": "User"}, "labels": [{"name": "poison", "color": "7f00ff"}],
        "comments": 0, "created_at": "2007-10-10T00:00:00Z", "updated_at": "2007-10-10T00:00:00Z", "closed_at": null
    },
    "sender": {"id": 327, "login": "bobby", "type": "User"},
    "repository": {
        "id": 327, "full_name": "xkcd/school", "private": false,
        "owner": {"id": 1, "login": "xkcd", "type": "Organization"}, "language": null, "default_branch": "main",
        "stargazers_count": 327, "created_at": 1191974400, "pushed_at": 1191974400
    }
}}"#;

/// Where triage files what it decides. It is down for a share of the attempts, chosen by the event's id and the
/// number of the attempt, so that the next attempt may find it up again and every run finds the same.
#[derive(Debug, Clone, Copy)]
pub struct Tracker {
    fail_rate: f64,
}

/// The tracker did not take it.
#[derive(Debug, thiserror::Error, HandlerError)]
pub enum TrackerError {
    /// Now and then.
    #[error("the tracker is down")]
    #[outcome(retry)]
    Down,
    /// Every time, though it says it would be worth another try.
    #[error("the tracker chokes on {0:?}")]
    #[outcome(retry)]
    Choked(String),
}

impl Tracker {
    /// A tracker that is down for this share of the attempts, from 0 to 1.
    #[must_use]
    pub const fn new(fail_rate: f64) -> Self {
        Self { fail_rate }
    }

    /// Files an issue.
    ///
    /// # Errors
    /// See [`TrackerError`].
    pub fn file(self, title: &str, id: &str, attempt: u32) -> Result<(), TrackerError> {
        if title.contains("DROP TABLE") {
            return Err(TrackerError::Choked(title.to_owned()));
        }
        let draw = fold(fold(SEED, id.as_bytes()), &attempt.to_le_bytes());
        // The upper 32 bits, as a fraction of 1: exact in an f64.
        let draw = f64::from(u32::try_from(mix(draw) >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        if draw < self.fail_rate { Err(TrackerError::Down) } else { Ok(()) }
    }
}

/// Where a [`fold`] begins.
pub const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// Folds bytes into a hash, order and boundaries included: FNV-1a, the same on every machine and in every version.
#[must_use]
pub fn fold(hash: u64, bytes: &[u8]) -> u64 {
    let length = bytes.len() as u64;
    bytes
        .iter()
        .chain(&length.to_le_bytes())
        .fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Spreads a hash over all its bits (the end of splitmix64): FNV's upper ones change little in short texts.
const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Delivery, Webhook};

    #[test]
    fn the_tracker_is_down_as_often_as_it_should_be_and_always_for_the_same() {
        for (rate, expected) in [(0.0, 0..=0), (0.2, 1_900..=2_100), (1.0, 10_000..=10_000)] {
            let tracker = Tracker::new(rate);
            let down =
                || (1..=10_000).filter(|n| tracker.file("a", &format!("{n}-1"), 1 + n % 3).is_err()).count();
            assert!(expected.contains(&down()), "{} of 10,000 at {rate}", down());
            assert_eq!(down(), down());
        }
    }

    #[test]
    fn the_order_counts_in_a_fold() {
        assert_ne!(fold(fold(SEED, b"a"), b"b"), fold(fold(SEED, b"b"), b"a"));
        assert_ne!(fold(fold(SEED, b"ab"), b""), fold(fold(SEED, b"a"), b"b"));
    }

    #[test]
    fn malformed_lines_say_what_is_wrong_with_them_and_the_poison_is_a_perfect_webhook() {
        let expected = [
            "no JSON: EOF while",
            "no JSON: expected value",
            "missing field `event`",
            "no star:",
            "not UTF-8 from byte 42 on",
        ];
        for (line, expected) in MALFORMED.into_iter().zip(expected) {
            match Delivery::read(330, 1, Ok(line)).webhook {
                Webhook::Unreadable(line) => assert!(line.error.contains(expected), "{}", line.error),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(Delivery::read(335, 1, Ok(POISON)).webhook, Webhook::IssueChanged(_)));
    }
}
