//! What time it is at the broker: how old a message is, no program's own clock can say.

use std::sync::atomic::{AtomicI64, Ordering};

/// The difference between the broker's clock and ours, as confirmations show it.
#[derive(Debug, Default)]
pub(super) struct Clock(AtomicI64);

/// A confirmation takes a while, so that smaller differences mean nothing.
const TOLERANCE: i64 = 1_000;

impl Clock {
    /// The broker stored something at `stored` by its clock; it is `now` by ours.
    pub(super) fn note(&self, stored: i64, now: i64) {
        let skew = stored - now;
        let skew = if skew.abs() > TOLERANCE { skew } else { 0 };
        if self.0.load(Ordering::Relaxed) != skew {
            self.0.store(skew, Ordering::Relaxed);
        }
    }

    /// The broker's time; `None` if ours is absurd.
    pub(super) fn broker(&self, now: i64) -> Option<i64> {
        now.checked_add(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_seen_and_a_moment_is_not() {
        let clock = Clock::default();
        clock.note(1_000_000, 1_000_400);
        assert_eq!(clock.broker(5), Some(5));
        clock.note(4_600_000, 1_000_000);
        assert_eq!(clock.broker(5), Some(3_600_005));
    }
}
