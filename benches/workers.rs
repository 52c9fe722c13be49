//! Two workers for one subscription beside one, on a runtime of two threads.
//!
//! `cargo bench -p typebus-benches --bench workers` fails where two are not 1.6 times as fast as one at a handler that
//! does 10 us of work; for a handler that does nothing it says what the hand-over costs.

use std::{
    hint::black_box,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use typebus::{PublishedBy, Service, Tuning, backend::memory::Memory, prelude::*};
use typebus_benches::{Rounds, Tick};

const ROUNDS: usize = 41;
const BOUND: f64 = 1.6;
const WORK: Duration = Duration::from_micros(10);
const WORKING: u64 = 4_000;
const IDLE: u64 = 50_000;

/// So many turns of [`spin`] are 10 us of one core.
#[derive(Debug, Clone, Copy)]
struct Turns(u64);

#[handler(concurrency = 16)]
async fn working(tick: Tick, turns: State<Turns>) {
    black_box(spin(turns.0, tick.id));
}

#[handler(concurrency = 16)]
async fn idle(tick: Tick) {
    black_box(&tick);
}

service! { Working = "working" { handles: [working], publishes: [Tick], state: [Turns] } }
service! { Idle = "idle" { handles: [idle], publishes: [Tick] } }

fn main() -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let turns = calibrate();
    let mut rounds = [Rounds::default(), Rounds::default(), Rounds::default()];
    for round in 0..=ROUNDS {
        let one = runtime.block_on(times(1, turns)).map_err(io::Error::other)?;
        let two = runtime
            .block_on(times(std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(2), turns))
            .map_err(io::Error::other)?;
        // The first round warms up.
        if round > 0 {
            for ((rounds, one), two) in rounds.iter_mut().zip(one).zip(two) {
                rounds.push(one, two);
            }
        }
    }
    let [work, drain, flow] = rounds;
    let mut out = io::stdout();
    writeln!(out, "two workers beside one, 10 us of work: {work}; bound {BOUND}")?;
    writeln!(out, "the same without work:                 {drain}")?;
    writeln!(out, "the same, published meanwhile:         {flow}")?;
    Ok(if work.quickest() >= BOUND { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What each of the three comparisons takes with so many workers.
async fn times(workers: usize, turns: Turns) -> typebus::Result<[Duration; 3]> {
    let tuning = Tuning { workers: Some(workers), ..Tuning::default() };
    let large = || Memory::default().capacity(1_000_000).capacity_bytes(1 << 30);
    let working = Bus::<Working>::builder().state(turns).tuning(tuning).connect(large()).await?;
    let work = drained(working, WORKING).await?;
    let idle = || Bus::<Idle>::builder().tuning(tuning);
    let drain = drained(idle().connect(large()).await?, IDLE).await?;
    let flow = flowed(idle().connect(Memory::default()).await?, IDLE).await?;
    Ok([work, drain, flow])
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
fn calibrate() -> Turns {
    const TRIAL: u64 = 100_000;
    let time = |_| {
        let begin = Instant::now();
        black_box(spin(TRIAL, black_box(1)));
        begin.elapsed()
    };
    let quickest = (0..50).map(time).min().unwrap_or(WORK);
    let turns = u128::from(TRIAL) * WORK.as_nanos() / quickest.as_nanos().max(1);
    Turns(u64::try_from(turns).unwrap_or(TRIAL))
}
