//! Two workers for one subscription beside one, on a runtime of two threads.
//!
//! `cargo bench -p typebus-benches --bench workers` fails where two are not 1.6 times as fast as one at a handler that
//! does 10 us of work; for a handler that does nothing it says what the hand-over costs. What the machine gives to two
//! threads that share nothing is measured in the same rounds: nothing can be better than that.

use std::{
    hint::black_box,
    io::{self, Write as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use typebus::{PublishedBy, Service, Tuning, backend::memory::Memory, prelude::*};
use typebus_benches::{Rounds, Tick};

const ROUNDS: usize = 41;
const BOUND: f64 = 1.6;
const WORK: Duration = Duration::from_micros(10);
const WORKING: u64 = 4_000;
const IDLE: u64 = 50_000;

/// How much work an event is, and how many handlers began it while another was at it.
#[derive(Debug, Clone)]
struct Work {
    /// So many turns of [`spin`] are 10 us of one core.
    turns: u64,
    working: Arc<AtomicU64>,
    together: Arc<AtomicU64>,
}

#[handler(concurrency = 16)]
async fn working(tick: Tick, work: State<Work>) {
    let others = work.working.fetch_add(1, Ordering::AcqRel);
    work.together.fetch_add(others.min(1), Ordering::AcqRel);
    black_box(spin(work.turns, tick.id));
    work.working.fetch_sub(1, Ordering::AcqRel);
}

#[handler(concurrency = 16)]
async fn idle(tick: Tick) {
    black_box(&tick);
}

service! { Working = "working" { handles: [working], publishes: [Tick], state: [Work] } }
service! { Idle = "idle" { handles: [idle], publishes: [Tick] } }

fn main() -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let work = calibrate();
    let mut rounds: [Rounds; 4] = std::array::from_fn(|_| Rounds::default());
    for round in 0..=ROUNDS {
        let one = runtime.block_on(times(1, &work)).map_err(io::Error::other)?;
        let two = runtime.block_on(times(2, &work)).map_err(io::Error::other)?;
        // The first round warms up.
        if round > 0 {
            for ((rounds, one), two) in rounds.iter_mut().zip(one).zip(two) {
                rounds.push(one, two);
            }
        }
    }
    let [raw, worked, drain, flow] = rounds;
    let together = work.together.load(Ordering::Acquire) * 100 / (WORKING * (ROUNDS as u64 + 1));
    let mut out = io::stdout();
    writeln!(out, "two threads beside one, nothing shared: {raw}")?;
    writeln!(out, "two workers beside one, 10 us of work:  {worked}; bound {BOUND}")?;
    writeln!(out, "{together} % of the handlers began while another was at work")?;
    writeln!(out, "the same without work:                  {drain}")?;
    writeln!(out, "the same, published meanwhile:          {flow}")?;
    Ok(if worked.quickest() >= BOUND { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What each of the comparisons takes with so many workers.
async fn times(workers: u64, work: &Work) -> typebus::Result<[Duration; 4]> {
    let raw = raw(workers, work.turns);
    let tuning = Tuning { workers: usize::try_from(workers).ok(), ..Tuning::default() };
    let large = || Memory::default().capacity(1_000_000).capacity_bytes(1 << 30);
    let working = Bus::<Working>::builder().state(work.clone()).tuning(tuning).connect(large()).await?;
    let worked = drained(working, WORKING).await?;
    let idle = || Bus::<Idle>::builder().tuning(tuning);
    let drain = drained(idle().connect(large()).await?, IDLE).await?;
    let flow = flowed(idle().connect(Memory::default()).await?, IDLE).await?;
    Ok([raw, worked, drain, flow])
}

/// The time for the work alone, divided among threads.
fn raw(threads: u64, turns: u64) -> Duration {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for seed in 0..threads {
            scope.spawn(move || black_box(spin(turns * WORKING / threads, seed)));
        }
    });
    begin.elapsed()
}

/// The time for events that wait when consuming begins.
async fn drained<S: Service>(bus: Bus<S>, events: u64) -> typebus::Result<Duration>
where
    Tick: PublishedBy<S>,
{
    for n in 0..events {
        bus.publish(&Tick::nth(n)).await?;
    }
    let begin = Instant::now();
    let running = bus.start().await?;
    running.caught_up().await?;
    let elapsed = begin.elapsed();
    running.stop().await?;
    Ok(elapsed)
}

/// The time for events that are published meanwhile, on a third thread.
async fn flowed<S: Service>(bus: Bus<S>, events: u64) -> typebus::Result<Duration>
where
    Tick: PublishedBy<S>,
{
    let running = bus.start().await?;
    let begin = Instant::now();
    for n in 0..events {
        bus.publish(&Tick::nth(n)).await?;
    }
    running.caught_up().await?;
    let elapsed = begin.elapsed();
    running.stop().await?;
    Ok(elapsed)
}

fn spin(turns: u64, seed: u64) -> u64 {
    (0..turns).fold(seed, |x, n| black_box(x.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The quickest of several measurements, since whatever disturbs one makes it longer.
fn calibrate() -> Work {
    const TRIAL: u64 = 100_000;
    let time = |_| {
        let begin = Instant::now();
        black_box(spin(TRIAL, black_box(1)));
        begin.elapsed()
    };
    let quickest = (0..50).map(time).min().unwrap_or(WORK);
    let turns = u128::from(TRIAL) * WORK.as_nanos() / quickest.as_nanos().max(1);
    let turns = u64::try_from(turns).unwrap_or(TRIAL);
    Work { turns, working: Arc::default(), together: Arc::default() }
}
