//! Time for the dispatch: nanoseconds since an origin, so that the state machines need no runtime's clock. And the time
//! of day, for envelopes.

use std::{ops::Add, time::Duration};

use tokio::time::Instant;

/// A point in time, in nanoseconds since the origin of its [`Clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(u64);

impl Moment {
    /// A point in time that is never reached.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// `nanoseconds` after the origin.
    #[cfg(test)]
    pub(crate) const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Saturates after 584 years.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// tokio's clock, which a test may pause and advance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::default() + self.0.elapsed()
    }

    /// The moment for tokio's timers.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.0 + Duration::from_nanos(moment.0)
    }
}

/// How long ago 1970 began, by the clock of the kernel's ticks: at most 10 ms behind, for a fifth of the price. What it
/// is for, the time and the id of an event, promises no order.
#[cfg(target_os = "linux")]
pub(crate) fn since_1970() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// How long ago 1970 began.
#[cfg(not(target_os = "linux"))]
pub(crate) fn since_1970() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
