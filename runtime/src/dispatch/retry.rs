//! Retries: how long a failed delivery sleeps, and which sleeper wakes next.
//!
//! Invariants:
//! - No sleeper wakes early, each wakes once, and those due at the same moment wake in the order they fell asleep.
//! - A delay is never above the backoff's longest, and jitter never takes more than half of it: a floor exists.
//! - Randomness and time are arguments, so that the same inputs give the same history.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use crate::{clock::Moment, policy::Backoff};

/// The sleeping deliveries. An id sleeps once at a time.
#[derive(Debug)]
pub(crate) struct RetryClock {
    sleepers: BinaryHeap<Reverse<Sleeper>>,
    /// How many ever fell asleep.
    slept: u64,
}

impl RetryClock {
    /// Up to `n` sleepers need no allocation.
    pub(crate) fn with_capacity(n: usize) -> Self {
        Self { sleepers: BinaryHeap::with_capacity(n), slept: 0 }
    }

    /// `id` is due at `until`.
    pub(crate) fn sleep(&mut self, id: u32, until: Moment) {
        self.sleepers.push(Reverse(Sleeper { until, turn: self.slept, id }));
        self.slept += 1;
    }

    /// Wakes the earliest that is due, and of several with one moment the one that fell asleep first.
    pub(crate) fn wake(&mut self, now: Moment) -> Option<u32> {
        if self.next()? > now {
            return None;
        }
        self.sleepers.pop().map(|Reverse(sleeper)| sleeper.id)
    }

    /// When the next sleeper is due.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.sleepers.peek().map(|Reverse(sleeper)| sleeper.until)
    }

    /// Takes out a sleeper that shall not wake, in O(n): this happens when a partition is lost, not per delivery.
    /// True when it slept.
    pub(crate) fn cancel(&mut self, id: u32) -> bool {
        let before = self.len();
        self.sleepers.retain(|Reverse(sleeper)| sleeper.id != id);
        self.len() != before
    }

    pub(crate) fn len(&self) -> usize {
        self.sleepers.len()
    }
}

/// The longest delay that an error may ask for; a longer one is cut to this.
pub(crate) const LONGEST_AFTER: Duration = Duration::from_secs(300);

/// The delay after `failed` attempts: `min(max, min · 2^(failed-1))`. With jitter, `random` scales it linearly from
/// 50 % at 0 to 100 % at `u32::MAX`.
pub(crate) fn delay(backoff: &Backoff, failed: u32, random: u32) -> Duration {
    // A Duration has fewer than 2^94 nanoseconds: half of one times a u32 still fits, and the power may saturate
    // because the longest delay cuts it.
    let factor = 2_u128.saturating_pow(failed.saturating_sub(1));
    let full = backoff.min.as_nanos().saturating_mul(factor).min(backoff.max.as_nanos());
    if !backoff.jitter {
        return from_nanos(full);
    }
    let cut = full / 2 * u128::from(u32::MAX - random) / u128::from(u32::MAX);
    from_nanos(full - cut)
}

/// `Duration::from_nanos_u128` is younger than the oldest compiler we support.
fn from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % SECOND).unwrap_or_default())
}

/// Ordered by moment, then by the turn, which is unique.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sleeper {
    until: Moment,
    turn: u64,
    id: u32,
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;

    const fn backoff(min: Duration, max: Duration, jitter: bool) -> Backoff {
        Backoff { min, max, jitter }
    }

    #[test]
    fn an_error_may_ask_for_five_minutes() {
        assert_eq!(LONGEST_AFTER.as_secs(), 300);
    }

    #[test]
    fn the_delays_double_up_to_the_longest() {
        let backoff = backoff(Duration::from_millis(200), Duration::from_secs(30), false);
        let delays = [1, 2, 3, 8, 9, u32::MAX].map(|failed| delay(&backoff, failed, 0).as_millis());
        assert_eq!(delays, [200, 400, 800, 25_600, 30_000, 30_000]);
        assert_eq!(delay(&backoff, 0, 0), delay(&backoff, 1, 0), "nothing failed yet is as after the first");
    }

    #[test]
    fn jitter_is_linear_between_half_and_all() {
        let backoff = backoff(Duration::from_millis(1_500), Duration::from_secs(30), true);
        let [none, quarter, half, all] =
            [0, u32::MAX / 4, u32::MAX / 2, u32::MAX].map(|random| delay(&backoff, 2, random));
        assert_eq!((none, all), (Duration::from_millis(1_500), Duration::from_millis(3_000)));
        assert_eq!((quarter.as_millis(), half.as_millis()), (1_875, 2_250));
    }

    #[test]
    fn the_longest_durations_do_not_overflow() {
        let backoff = backoff(Duration::MAX, Duration::MAX, true);
        assert_eq!(delay(&backoff, u32::MAX, u32::MAX), Duration::MAX);
        assert_eq!(delay(&backoff, u32::MAX, 0), Duration::MAX - Duration::MAX / 2);
    }

    #[test]
    fn those_due_at_once_wake_in_the_order_they_fell_asleep() {
        let at = Moment::from_nanos;
        let mut clock = RetryClock::with_capacity(4);
        assert_eq!(clock.len(), 0);
        for (id, until) in [(3, 10), (1, 10), (2, 10), (0, 9)] {
            clock.sleep(id, at(until));
        }
        assert_eq!((clock.len(), clock.next()), (4, Some(at(9))));
        assert_eq!(clock.wake(at(8)), None, "nobody is due");
        assert_eq!(clock.wake(at(9)), Some(0), "due at the very moment");
        assert_eq!(clock.wake(at(9)), None);
        assert!(clock.cancel(1));
        assert!(!clock.cancel(1));
        assert_eq!([clock.wake(at(20)), clock.wake(at(20)), clock.wake(at(20))], [Some(3), Some(2), None]);
        assert_eq!((clock.len(), clock.next()), (0, None));
    }

    /// Any duration at all, and often one of everyday length or less.
    fn duration() -> impl Strategy<Value = Duration> {
        let nanos = 0..1_000_000_000_u32;
        prop_oneof![
            (0..4_u64).prop_map(Duration::from_nanos),
            (0..100_000_u64).prop_map(Duration::from_millis),
            (any::<u64>(), nanos).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
            Just(Duration::MAX),
        ]
    }

    fn failed() -> impl Strategy<Value = u32> {
        prop_oneof![0..100_u32, any::<u32>(), Just(u32::MAX)]
    }

    /// The delay without jitter, by doubling and nothing else.
    fn doubled(min: Duration, max: Duration, failed: u32) -> Duration {
        let mut delay = min;
        for _ in 1..failed {
            if delay >= max || delay.is_zero() {
                break;
            }
            delay = delay.checked_mul(2).unwrap_or(Duration::MAX);
        }
        delay.min(max)
    }

    #[derive(Debug, Clone)]
    enum Step {
        Sleep(u64),
        Advance(u64),
        Cancel(Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few different moments, so that many are due at once.
        prop_oneof![
            5 => (0..8_u64).prop_map(Step::Sleep),
            3 => (0..4_u64).prop_map(Step::Advance),
            1 => any::<Index>().prop_map(Step::Cancel),
        ]
    }

    const IDS: u32 = 20;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn a_delay_keeps_its_floor_and_its_ceiling(
            (min, max) in (duration(), duration()),
            failed in failed(),
            randoms in (any::<u32>(), any::<u32>()),
        ) {
            let full = doubled(min, max, failed);
            let (low, high) = (randoms.0.min(randoms.1), randoms.0.max(randoms.1));
            prop_assert_eq!(delay(&backoff(min, max, false), failed, low), full);
            let jittered = backoff(min, max, true);
            let [least, low, high, most] = [0, low, high, u32::MAX].map(|random| delay(&jittered, failed, random));
            prop_assert_eq!(least.as_nanos(), full.as_nanos().div_ceil(2), "the floor is half");
            prop_assert_eq!(most, full);
            prop_assert!(least <= low && low <= high && high <= most, "{least:?} {low:?} {high:?} {most:?}");
            prop_assert!(most <= max);
        }

        #[test]
        fn sleepers_wake_in_order_and_never_early(steps in prop::collection::vec(step(), 0..80)) {
            let mut clock = RetryClock::with_capacity(IDS as usize);
            let capacity = clock.sleepers.capacity();
            let mut now = 0;
            // In the order of falling asleep.
            let mut asleep: Vec<(u64, u32)> = Vec::new();
            for step in steps {
                match step {
                    Step::Sleep(nanos) => {
                        let free = (0..IDS).find(|&id| asleep.iter().all(|&(_, other)| other != id));
                        let Some(id) = free else { continue };
                        clock.sleep(id, Moment::from_nanos(now + nanos));
                        asleep.push((now + nanos, id));
                    }
                    Step::Advance(nanos) => {
                        now += nanos;
                        let mut due: Vec<_> = asleep.iter().copied().filter(|&(until, _)| until <= now).collect();
                        due.sort_by_key(|&(until, _)| until); // stable
                        for (_, id) in due {
                            prop_assert_eq!(clock.wake(Moment::from_nanos(now)), Some(id));
                        }
                        asleep.retain(|&(until, _)| until > now);
                        prop_assert_eq!(clock.wake(Moment::from_nanos(now)), None, "nobody wakes early");
                    }
                    Step::Cancel(index) => {
                        // Any id: also one that is awake.
                        let id = u32::try_from(index.index(IDS as usize)).unwrap_or_default();
                        let slept = asleep.iter().any(|&(_, other)| other == id);
                        prop_assert_eq!(clock.cancel(id), slept);
                        asleep.retain(|&(_, other)| other != id);
                    }
                }
                prop_assert_eq!(clock.len(), asleep.len());
                let first = asleep.iter().map(|&(until, _)| Moment::from_nanos(until)).min();
                prop_assert_eq!(clock.next(), first);
            }
            prop_assert_eq!(clock.sleepers.capacity(), capacity, "nothing was allocated");
            // Whoever is left wakes in the end: nobody is lost.
            let left = std::iter::from_fn(|| clock.wake(Moment::from_nanos(u64::MAX))).count();
            prop_assert_eq!(left, asleep.len());
        }
    }
}
