//! The constants of the delivery promises, each of which is an option.

use std::time::Duration;

use crate::policy::Limits;

/// How a bus runs, beside what its handlers say. The defaults are those of the delivery promises.
///
/// ```
/// use std::time::Duration;
/// use typebus::Tuning;
///
/// let tuning = Tuning { drain: Duration::from_secs(5), ..Tuning::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// How much each subscription may have taken and not settled: 1,000 deliveries, 32 MiB, a gap of 20,000.
    pub limits: Limits,
    /// How long running handlers may go on after a stop: 20 s.
    pub drain: Duration,
    /// How long the consumers may take to close after the drain: 10 s.
    pub close: Duration,
    /// How long running handlers may go on after a revocation: 10 s.
    pub revoke_grace: Duration,
    /// After so many processes that died of it a delivery is dead-lettered: 3.
    pub crashes: u32,
    /// How long a dead letter may be unwritable before the service is not ready: 30 s.
    pub unwritable: Duration,
    /// How many workers share each subscription: 1. `None` is one for each worker thread of tokio's runtime.
    ///
    /// One worker is one task, and one task is one core. Handlers that mostly wait need no more, and handlers that do
    /// nothing are quicker with one; where a subscription's handlers keep a core busy, more workers use more cores.
    ///
    /// Keys are hashed to the workers, with `order = partition` partitions are counted off to them, and what has no order
    /// goes to each in turn. The promises and the limits are those of the subscription, however many share it, and each
    /// worker sets places aside for [`Limits::held`]. The `concurrency` of a handler is divided among them, so there are
    /// no more workers than the least `concurrency` of the subscription's handlers, nor more than 64; a key whose worker
    /// is busy waits for it, though another has attempts to spare. A subscription with a `Batch` handler has one.
    pub workers: Option<usize>,
    /// How long a request waits for its reply, unless it says so itself: 30 s.
    pub request_timeout: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            drain: Duration::from_secs(20),
            close: Duration::from_secs(10),
            revoke_grace: Duration::from_secs(10),
            crashes: 3,
            unwritable: Duration::from_secs(30),
            workers: Some(1),
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl Tuning {
    /// Limits under which nothing could be taken, no workers to take it, and times in which nothing could happen.
    pub(crate) fn problems(&self) -> Vec<crate::Problem> {
        let Limits { held, held_bytes, gap } = self.limits;
        let zero = [("held", held == 0), ("held_bytes", held_bytes == 0), ("gap", gap == 0)];
        let zero = zero.into_iter().filter(|(_, zero)| *zero);
        let problem =
            |name: &str| crate::Problem::new(name, "is 0, so nothing could be taken; say at least 1");
        let workers = (self.workers == Some(0)).then(|| problem("`workers`"));
        let hasty = self.request_timeout.is_zero().then(|| {
            crate::Problem::new("`request_timeout`", "is 0, so no reply could come in time; say more")
        });
        let many = (held > MAX_HELD).then(|| {
            let text = format!("is {held}, and each takes memory from the start; say at most {MAX_HELD}");
            crate::Problem::new("`limits.held`", text)
        });
        let zero = zero.map(|(name, _)| problem(&format!("`limits.{name}`")));
        zero.chain(many).chain(workers).chain(hasty).collect()
    }
}

/// The most deliveries that a subscription can hold.
const MAX_HELD: usize = 1_000_000;
