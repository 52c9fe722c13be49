//! The breaker of a subscription: after so many exhausted deliveries in a row nothing is given up any more, and one
//! attempt at a time probes whether the handlers can work again.

use crate::{clock::Moment, dispatch::retry::delay, policy::Backoff};

/// A state machine without clock or chance: both are arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaker {
    /// So many deliveries in a row were exhausted.
    Closed(u32),
    /// Nothing is given up, and probes run one at a time.
    Open {
        /// Probes that failed since it opened, and the failure that opened it.
        failures: u32,
        /// When the next probe may start.
        next: Moment,
    },
}

/// What becomes of a delivery whose attempts are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// It is given up.
    Bury,
    /// It is kept: the breaker is open, since now if `opened`.
    Keep { opened: bool },
}

impl Breaker {
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// When a probe may start, while it is open.
    pub(crate) const fn next(&self) -> Option<Moment> {
        match self {
            Self::Open { next, .. } => Some(*next),
            Self::Closed(_) => None,
        }
    }

    /// A delivery used up its attempts, under a policy that opens `after` so many.
    pub(crate) fn exhausted(
        &mut self,
        after: Option<u32>,
        now: Moment,
        backoff: &Backoff,
        random: u32,
    ) -> Exhausted {
        match self {
            Self::Open { .. } => {
                self.failed(now, backoff, random);
                Exhausted::Keep { opened: false }
            }
            Self::Closed(before) => {
                let failures = before.saturating_add(1);
                if after.is_none_or(|after| failures < after) {
                    *self = Self::Closed(failures);
                    return Exhausted::Bury;
                }
                *self = Self::Open { failures: 1, next: now + delay(backoff, 1, random) };
                Exhausted::Keep { opened: true }
            }
        }
    }

    /// An attempt failed that is not the last of its delivery: while open, the next probe waits longer.
    pub(crate) fn failed(&mut self, now: Moment, backoff: &Backoff, random: u32) {
        if let Self::Open { failures, next } = self {
            *failures = failures.saturating_add(1);
            *next = now + delay(backoff, *failures, random);
        }
    }

    /// A handler did its work, or gave a verdict of its own; `true` if that closed it.
    pub(crate) fn succeeded(&mut self) -> bool {
        std::mem::replace(self, Self::Closed(0)).is_open()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BACKOFF: Backoff =
        Backoff { min: Duration::from_secs(1), max: Duration::from_secs(8), jitter: false };

    fn at(seconds: u64) -> Moment {
        Moment::default() + Duration::from_secs(seconds)
    }

    fn exhaust(breaker: &mut Breaker, seconds: u64) -> Exhausted {
        breaker.exhausted(Some(3), at(seconds), &BACKOFF, 0)
    }

    #[test]
    fn it_opens_at_the_number_in_a_row_and_not_before() {
        let mut breaker = Breaker::Closed(0);
        for _ in 0..5 {
            assert_eq!(exhaust(&mut breaker, 0), Exhausted::Bury);
            assert_eq!(exhaust(&mut breaker, 0), Exhausted::Bury);
            assert!(!breaker.succeeded(), "a success between them begins the row anew");
        }
        exhaust(&mut breaker, 0);
        exhaust(&mut breaker, 0);
        assert_eq!(exhaust(&mut breaker, 0), Exhausted::Keep { opened: true });
        assert_eq!((breaker.is_open(), breaker.next()), (true, Some(at(1))));
    }

    #[test]
    fn open_it_keeps_everything_and_probes_ever_less_often_up_to_the_longest_delay() {
        let mut breaker = Breaker::Closed(2);
        exhaust(&mut breaker, 0);
        let mut nexts = Vec::new();
        for seconds in [1, 3, 7, 15, 23] {
            assert_eq!(exhaust(&mut breaker, seconds), Exhausted::Keep { opened: false });
            nexts.extend(breaker.next());
        }
        assert_eq!(nexts, [at(3), at(7), at(15), at(23), at(31)]);
        assert!(breaker.succeeded());
        assert_eq!(exhaust(&mut breaker, 31), Exhausted::Bury, "closed, it counts from the beginning");
    }

    #[test]
    fn without_a_number_it_never_opens() {
        let mut breaker = Breaker::Closed(0);
        assert!((0..1_000).all(|_| breaker.exhausted(None, at(0), &BACKOFF, 0) == Exhausted::Bury));
    }
}
