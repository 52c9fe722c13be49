//! In process, on one thread: typebus beside RustStream 0.7 on its memory broker, at `Tick`, three integers in JSON.
//!
//! `cargo bench` in this folder interleaves the rounds: publish a window of events, wait until all of it is handled,
//! and again. Ours publishes as a program does, with the full envelope, keys, time-outs and cursors. RustStream's side is
//! given bytes that are encoded here, by its broker's own publisher, with a key where its workers go by key.

use std::{
    convert::Infallible,
    error::Error,
    hint::black_box,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

const ROUNDS: usize = 41;
const EVENTS: u64 = 20_000;
const WINDOW: u64 = 512;

/// How many of a window are not handled.
#[derive(Debug, Clone, Default)]
struct Latch(Arc<(AtomicU64, Notify)>);

impl Latch {
    fn expect(&self, count: u64) {
        self.0.0.store(count, Ordering::Release);
    }

    fn arrived(&self) {
        if self.0.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.1.notify_one();
        }
    }

    async fn drained(&self) {
        while self.0.0.load(Ordering::Acquire) > 0 {
            self.0.1.notified().await;
        }
    }
}

/// One of 1,000 instruments: its number, and what the event says.
const fn nth(n: u64) -> (u64, u64, u64) {
    (n * 7_919 % 1_000, 100 + n % 900, n % 50)
}

mod ours {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use typebus::{backend::memory::Memory, prelude::*};

    use super::{Duration, EVENTS, Instant, Latch, WINDOW, black_box, nth};

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "bench.ticks", name = "tick", key = id)]
    struct Tick {
        id: u64,
        price: u64,
        size: u64,
    }

    #[handler(concurrency = 16, timeout = "1m")]
    async fn on_tick(tick: Tick, latch: State<Latch>) {
        black_box(&tick);
        latch.arrived();
    }

    service! { Ours = "ours" { handles: [on_tick], publishes: [Tick], state: [Latch] } }

    pub(crate) async fn run() -> typebus::Result<Duration> {
        let latch = Latch::default();
        let bus = Bus::<Ours>::builder().state(latch.clone()).connect(Memory::default()).await?;
        let running = bus.start().await?;
        let begin = Instant::now();
        for first in (0..EVENTS).step_by(WINDOW as usize) {
            let window = first..EVENTS.min(first + WINDOW);
            latch.expect(window.end - window.start);
            for n in window {
                let (id, price, size) = nth(n);
                bus.publish(&Tick { id, price, size }).await?;
            }
            latch.drained().await;
        }
        let elapsed = begin.elapsed();
        running.stop().await?;
        Ok(elapsed)
    }
}

mod theirs {
    use ruststream::memory::{PARTITION_KEY_HEADER, prelude::*};
    use ruststream::{OutgoingMessage, Str};
    use serde::{Deserialize, Serialize};

    use super::{Duration, EVENTS, Error, Infallible, Instant, Latch, WINDOW, black_box, nth};

    #[derive(Debug, Serialize, Deserialize)]
    struct Tick {
        id: u64,
        price: u64,
        size: u64,
    }

    #[subscriber("ticks", workers(16, by_key))]
    async fn keyed(tick: &Tick, ctx: &mut Context<'_, (), Latch>) -> HandlerOutcome {
        black_box(tick);
        ctx.state().arrived();
        HandlerOutcome::ack()
    }

    #[subscriber("ticks")]
    async fn sequential(tick: &Tick, ctx: &mut Context<'_, (), Latch>) -> HandlerOutcome {
        black_box(tick);
        ctx.state().arrived();
        HandlerOutcome::ack()
    }

    pub(crate) async fn run(by_key: bool) -> Result<Duration, Box<dyn Error>> {
        let (latch, broker) = (Latch::default(), MemoryBroker::new());
        let state = latch.clone();
        let app = RustStream::new(AppInfo::new("bench", "0.0.0"))
            .on_startup(async move |()| Ok::<_, Infallible>(state))
            .with_broker(broker.clone(), |scope| {
                if by_key {
                    scope.include(keyed);
                } else {
                    scope.include(sequential);
                }
            });
        let running = app.start().await?;
        let publisher = broker.publisher();
        let begin = Instant::now();
        for first in (0..EVENTS).step_by(WINDOW as usize) {
            let window = first..EVENTS.min(first + WINDOW);
            latch.expect(window.end - window.start);
            for n in window {
                let (id, price, size) = nth(n);
                let body = serde_json::to_vec(&Tick { id, price, size })?;
                let mut message = OutgoingMessage::new("ticks", &body);
                if by_key {
                    let mut headers = HeaderMap::new();
                    headers.insert(Str::from_static(PARTITION_KEY_HEADER), id.to_string());
                    message = message.with_headers(headers);
                }
                publisher.publish(message, None).await?;
            }
            latch.drained().await;
        }
        let elapsed = begin.elapsed();
        drop(running);
        Ok(elapsed)
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let ours = runtime()?.block_on(ours::run())?;
        let keyed = runtime()?.block_on(theirs::run(true))?;
        let sequential = runtime()?.block_on(theirs::run(false))?;
        // The first round warms up.
        if round > 0 {
            times.iter_mut().zip([ours, keyed, sequential]).for_each(|(times, time)| times.push(time));
        }
    }
    let [ours, keyed, sequential] = times;
    let by_key = compare("its 16 workers by key", 1.5, &keyed, &ours);
    let one_at_a_time = compare("its sequential loop", 1.0, &sequential, &ours);
    Ok(if by_key && one_at_a_time { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says how many times as fast we are; whether that reaches the bound in the quickest rounds of each. Whatever else a
/// shared machine does makes a round slower, and none quicker.
fn compare(name: &str, bound: f64, theirs: &[Duration], ours: &[Duration]) -> bool {
    let mut pairs: Vec<f64> =
        theirs.iter().zip(ours).map(|(theirs, ours)| theirs.as_secs_f64() / ours.as_secs_f64()).collect();
    pairs.sort_by(f64::total_cmp);
    let [theirs, ours] = [theirs, ours].map(|times| times.iter().min().copied().unwrap_or_default());
    let quickest = theirs.as_secs_f64() / ours.as_secs_f64();
    let (low, median, high) = (pairs[0], pairs[pairs.len() / 2], pairs[pairs.len() - 1]);
    let per_event = |time: Duration| time.as_nanos() / u128::from(EVENTS);
    println!(
        "{quickest:.2} x {name} by the quickest of {ROUNDS} rounds each ({} ns an event, theirs {} ns); pair by pair \
         {median:.2} ({low:.2} to {high:.2}); bound {bound}",
        per_event(ours),
        per_event(theirs),
    );
    quickest >= bound
}
