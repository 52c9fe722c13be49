//! Rates on one thread, side by side in one run: the bus on its in-process backend, and a raw bounded tokio channel
//! that encodes and decodes the same event.
//!
//! `cargo bench -p typebus-benches --bench throughput [-- EVENTS]` interleaves the rounds and prints the ratio of
//! each; it fails when no round reaches the bound. `--one tick|order raw|bus EVENTS` runs a single round, for a
//! profiler.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::mpsc;
use typebus::{backend::memory::Memory, prelude::*};
use typebus_benches::{Order, Tick};

const ROUNDS: usize = 7;
/// What the raw channel holds, and what the topic keeps.
const CAPACITY: usize = 1_024;

#[handler(concurrency = 16, timeout = "1m")]
async fn on_tick(tick: Tick) {
    std::hint::black_box(&tick);
}

#[handler(concurrency = 16, timeout = "1m")]
async fn on_order(order: Order) {
    std::hint::black_box(&order);
}

service! {
    Bench = "bench" { handles: [on_tick, on_order], publishes: [Tick, Order] }
}

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, event, way, events] = &arguments[..]
        && flag == "--one"
    {
        return one(event, way, events.parse().map_err(io::Error::other)?);
    }
    let events = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(200_000);
    let ticks = compare("Tick", 0.6, events, Tick::nth)?;
    let orders = compare("Order", 0.8, events, Order::nth)?;
    Ok(if ticks && orders { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A single round, for a profiler.
fn one(event: &str, way: &str, events: u64) -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let took = match (event, way) {
        ("tick", "raw") => runtime.block_on(raw(events, Tick::nth)),
        ("order", "raw") => runtime.block_on(raw(events, Order::nth)),
        ("tick", _) => runtime.block_on(bus(events, Tick::nth)).map_err(io::Error::other)?,
        _ => runtime.block_on(bus(events, Order::nth)).map_err(io::Error::other)?,
    };
    writeln!(io::stdout(), "{event} {way}: {} ns an event", took.as_nanos() / u128::from(events))?;
    Ok(ExitCode::SUCCESS)
}

/// Interleaves the rounds; says whether the bound was reached in at least one.
fn compare<E>(name: &str, bound: f64, events: u64, nth: fn(u64) -> E) -> io::Result<bool>
where
    E: typebus::PublishedBy<Bench> + Serialize + DeserializeOwned + Sync,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let raw = runtime.block_on(raw(events, nth));
        let ours = runtime.block_on(bus(events, nth)).map_err(io::Error::other)?;
        // The first round warms up.
        if round > 0 {
            rounds.push((raw.as_secs_f64() / ours.as_secs_f64(), raw, ours));
        }
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let per_event = |time: Duration| time.as_nanos() / u128::from(events);
    let (worst, median, best) = (rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
    writeln!(
        io::stdout(),
        "{name:<6} {:.2} x raw (median of {ROUNDS}; {:.2} to {:.2}; bound {bound}): raw {} ns, bus {} ns an event",
        median.0,
        worst.0,
        best.0,
        per_event(median.1),
        per_event(median.2),
    )?;
    Ok(best.0 >= bound)
}

async fn raw<E: Serialize + DeserializeOwned + 'static>(events: u64, nth: fn(u64) -> E) -> Duration {
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(CAPACITY);
    let begin = Instant::now();
    let produce = async {
        for n in 0..events {
            let payload = serde_json::to_vec(&nth(n)).unwrap_or_default();
            let _ = sender.send(payload).await;
        }
        drop(sender);
    };
    let consume = async {
        let mut handled = 0;
        while let Some(payload) = receiver.recv().await {
            let event: Option<E> = serde_json::from_slice(&payload).ok();
            std::hint::black_box(&event);
            handled += u64::from(event.is_some());
        }
        assert_eq!(handled, events);
    };
    tokio::join!(produce, consume);
    begin.elapsed()
}

async fn bus<E>(events: u64, nth: fn(u64) -> E) -> typebus::Result<Duration>
where
    E: typebus::PublishedBy<Bench>,
{
    let memory = Memory::default().capacity(CAPACITY);
    let bus = Bus::<Bench>::builder().connect(memory).await?;
    let running = bus.start().await?;
    let begin = Instant::now();
    for n in 0..events {
        bus.publish(&nth(n)).await?;
    }
    running.caught_up().await?;
    let elapsed = begin.elapsed();
    // The runtime keeps its own count, so the handlers need none.
    let handled: u64 = running.stats().groups().iter().map(|group| group.handled).sum();
    assert_eq!(handled, events);
    running.stop().await?;
    Ok(elapsed)
}
