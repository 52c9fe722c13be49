//! Our side: the same program on every broker.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use typebus::prelude::*;
use typebus_benches::Order;

use crate::{APART, CALM, Size, Took, cpu, unique};

/// When the first order came, how many are missing, and who waits.
#[derive(Debug, Default)]
struct Latch {
    first: Mutex<Option<Instant>>,
    missing: AtomicU64,
    last: Notify,
}

#[handler(concurrency = 16, timeout = "1m")]
async fn take(order: Order, latch: State<Arc<Latch>>) {
    std::hint::black_box(&order);
    latch.arrived();
}

impl Latch {
    fn arrived(&self) {
        let missing = self.missing.fetch_sub(1, Ordering::AcqRel);
        if missing.is_multiple_of(1_024) || missing <= 1 {
            self.first.lock().unwrap().get_or_insert_with(Instant::now);
        }
        if missing == 1 {
            self.last.notify_one();
        }
    }
}

/// When it was published, for its latency.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "bench.calm", name = "calm", key = id)]
struct Calm {
    id: u64,
    /// Nanoseconds since 1970.
    at: u64,
}

#[handler(concurrency = 16, timeout = "1m")]
async fn measure(calm: Calm, latencies: State<Arc<Latencies>>) {
    let latency = Duration::from_nanos(now().saturating_sub(calm.at));
    let mut seen = latencies.seen.lock().unwrap();
    seen.push(latency);
    if seen.len() as u64 == CALM {
        latencies.all.notify_one();
    }
}

#[derive(Debug, Default)]
struct Latencies {
    seen: Mutex<Vec<Duration>>,
    all: Notify,
}

service! { Loads = "loads" { handles: [take], publishes: [Order], state: [Arc<Latch>] } }
service! { Calms = "calms" { handles: [measure], publishes: [Calm], state: [Arc<Latencies>] } }

/// Publishes on their way, so many at most.
pub(crate) struct Flying<F> {
    window: usize,
    oldest_first: VecDeque<Pin<Box<F>>>,
}

impl<T, F: Future<Output = typebus::Result<T>>> Flying<F> {
    pub(crate) fn new(window: usize) -> Self {
        Self { window, oldest_first: VecDeque::with_capacity(window) }
    }

    /// Sends one, and waits for the oldest where that is one too many.
    pub(crate) async fn push(&mut self, publish: F) {
        let mut publish = Box::pin(publish);
        // The first poll sends it.
        let mut answer = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(ready) = publish.as_mut().poll(cx) {
                answer = Some(ready);
            }
            Poll::Ready(())
        })
        .await;
        match answer {
            Some(answer) => _ = answer.unwrap(),
            None => self.oldest_first.push_back(publish),
        }
        if self.oldest_first.len() >= self.window
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.await.unwrap();
        }
    }

    /// Waits for all of them.
    pub(crate) async fn land(self) {
        for publish in self.oldest_first {
            publish.await.unwrap();
        }
    }
}

/// Publishes a load, then consumes it.
pub(crate) fn run(url: &str, size: Size) -> Took {
    runtime().block_on(async {
        let latch = Arc::new(Latch::default());
        let bus = Bus::<Loads>::builder().prefix(unique()).state(latch.clone()).connect(url).await.unwrap();
        // The first publish finds out where the topic is.
        bus.publish(&Order::nth(0)).await.unwrap();
        let (before, began) = (cpu(), Instant::now());
        let mut flying = Flying::new(size.window);
        for n in 1..size.events {
            flying.push(bus.publish(&Order::nth(n))).await;
        }
        flying.land().await;
        let publish = began.elapsed();
        latch.missing.store(size.events, Ordering::Release);
        let running = bus.start().await.unwrap();
        latch.last.notified().await;
        let consume = latch.first.lock().unwrap().unwrap().elapsed();
        let cpu = cpu() - before;
        running.stop().await.unwrap();
        Took { publish, consume, cpu }
    })
}

/// Publishes at leisure, and consumes meanwhile.
pub(crate) fn latency(url: &str) -> Vec<Duration> {
    runtime().block_on(async {
        let latencies = Arc::new(Latencies::default());
        let bus =
            Bus::<Calms>::builder().prefix(unique()).state(latencies.clone()).connect(url).await.unwrap();
        let running = bus.start().await.unwrap();
        let mut ticks = tokio::time::interval(APART);
        for id in 0..CALM {
            ticks.tick().await;
            bus.publish(&Calm { id, at: now() }).await.unwrap();
        }
        latencies.all.notified().await;
        running.stop().await.unwrap();
        let mut seen = latencies.seen.lock().unwrap().clone();
        seen.sort();
        seen
    })
}

pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or_default()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
