//! A handler that waits for a millisecond: 32 attempts in flight, by key, beside one at a time.
//!
//! `cargo bench -p typebus-benches --bench in_flight` fails below 28 times the rate, or if a key's order is broken.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use typebus::{PublishedBy, Service, StateOf, backend::memory::Memory, prelude::*};
use typebus_benches::{Rounds, Tick};

const ROUNDS: usize = 15;
const BOUND: f64 = 28.0;
const KEYS: u64 = 1_000;
const ALONE: u32 = 100;
const TOGETHER: u32 = 3_200;

/// By key, the last event that began: twice its number, and one more while it runs.
#[derive(Debug, Clone)]
struct Keys(Arc<[AtomicU64]>);

impl Keys {
    fn new() -> Self {
        Self((0..KEYS).map(|_| AtomicU64::new(0)).collect())
    }

    async fn handle(&self, tick: &Tick) {
        let (now, last) = (2 * tick.price, &self.0[usize::try_from(tick.id).unwrap_or_default()]);
        let before = last.swap(now + 1, Ordering::AcqRel);
        assert!(before % 2 == 0 && before < now, "key {}: {now} began after {before}", tick.id);
        tokio::time::sleep(Duration::from_millis(1)).await;
        last.store(now, Ordering::Release);
    }
}

#[handler(concurrency = 32, retry(attempts = 1))]
async fn together(tick: Tick, keys: State<Keys>) {
    keys.handle(&tick).await;
}

#[handler(concurrency = 1, retry(attempts = 1))]
async fn alone(tick: Tick, keys: State<Keys>) {
    keys.handle(&tick).await;
}

service! { Together = "together" { handles: [together], publishes: [Tick], state: [Keys] } }
service! { Alone = "alone" { handles: [alone], publishes: [Tick], state: [Keys] } }

fn main() -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let alone = runtime.block_on(per_event::<Alone>(ALONE)).map_err(io::Error::other)?;
        let together = runtime.block_on(per_event::<Together>(TOGETHER)).map_err(io::Error::other)?;
        rounds.push(alone, together);
    }
    writeln!(io::stdout(), "1 ms, 32 in flight, {KEYS} keys, beside one at a time: {rounds}; bound {BOUND}")?;
    Ok(if rounds.quickest() >= BOUND { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The time for one event, of those that wait when consuming begins.
async fn per_event<S: Service + StateOf<Keys>>(events: u32) -> typebus::Result<Duration>
where
    Tick: PublishedBy<S>,
{
    let bus = Bus::<S>::builder().state(Keys::new()).connect(Memory::default()).await?;
    for n in 0..u64::from(events) {
        bus.publish(&Tick { id: n % KEYS, price: 1 + n / KEYS, size: 1 }).await?;
    }
    let begin = Instant::now();
    let running = bus.start().await?;
    running.caught_up().await?;
    let elapsed = begin.elapsed();
    let handled: u64 = running.stats().groups().iter().map(|group| group.handled).sum();
    assert_eq!(handled, u64::from(events), "every event is handled, and none failed");
    running.stop().await?;
    Ok(elapsed / events)
}
