//! A load for minutes: everything that is published is handled, in the order of its key, and memory stays as it is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::timeout};
use typebus::prelude::*;
use typebus_benches::Order;

use crate::{
    ours::{Flying, runtime},
    unique,
};

/// What came, by the number that each order has in the place of its customer.
#[derive(Debug, Default)]
struct Seen {
    tally: Mutex<Tally>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Tally {
    /// A bit for each.
    came: Vec<u64>,
    handled: u64,
    repeats: u64,
    /// The latest of each key.
    latest: HashMap<String, u64>,
    disorder: u64,
}

#[handler(concurrency = 16, timeout = "1m", group = "soak")]
async fn soak(order: Order, seen: State<Arc<Seen>>) {
    seen.tally.lock().unwrap().note(order.order_id, order.customer_id);
    seen.more.notify_one();
}

service! { Soaks = "soaks" { handles: [soak], publishes: [Order], state: [Arc<Seen>] } }

impl Tally {
    fn note(&mut self, key: String, number: u64) {
        let (word, bit) = (usize::try_from(number / 64).unwrap(), 1 << (number % 64));
        if self.came.len() <= word {
            self.came.resize(word + 1, 0);
        }
        if self.came[word] & bit != 0 {
            self.repeats += 1;
            return;
        }
        self.came[word] |= bit;
        self.handled += 1;
        let latest = self.latest.entry(key).or_default();
        self.disorder += u64::from(number < *latest);
        *latest = number.max(*latest);
    }
}

/// How far the handlers may be behind: what waits on the broker is not what is tried here.
const BEHIND: u64 = 20_000;
const REPORT: Duration = Duration::from_secs(10);
/// How long the rest may take at the end.
const REST: Duration = Duration::from_secs(60);

/// Runs for so long, and says every ten seconds how it goes.
///
/// # Panics
/// Something is lost, or comes in another order.
pub(crate) fn run(broker: &str, url: &str, length: Duration, window: usize) {
    runtime().block_on(async {
        let seen = Arc::new(Seen::default());
        let bus = Bus::<Soaks>::builder().prefix(unique()).state(seen.clone()).connect(url).await.unwrap();
        let running = bus.start().await.unwrap();
        let (began, mut published, mut flying) = (Instant::now(), 0_u64, Flying::new(window));
        let (mut before, mut least, mut most, mut report) = (0, u64::MAX, 0, began + REPORT);
        while began.elapsed() < length {
            let (handled, repeats) = seen.so_far();
            if Instant::now() >= report {
                let (rate, resident) = ((handled - before) / REPORT.as_secs(), resident());
                (before, least, most) = (handled, least.min(resident), most.max(resident));
                report += REPORT;
                let so_far = began.elapsed().as_secs();
                println!("{so_far:>4} s: {rate:>7}/s, {repeats} repeats, {resident} kB resident");
            }
            if published < handled + BEHIND {
                flying.push(bus.publish(&Order { customer_id: published, ..Order::nth(published) })).await;
                published += 1;
            } else {
                let _ = timeout(REPORT, seen.more.notified()).await;
            }
        }
        flying.land().await;
        let all = async {
            while seen.so_far().0 < published {
                seen.more.notified().await;
            }
        };
        let took = began.elapsed().as_secs_f64();
        let rest = timeout(REST, all).await;
        let tally = std::mem::take(&mut *seen.tally.lock().unwrap());
        assert!(rest.is_ok(), "{} of {published} orders are lost", published - tally.handled);
        assert_eq!(tally.disorder, 0, "orders overtook others of their key");
        running.stop().await.unwrap();
        println!(
            "{broker}: {published} orders, all handled, in order; {:.0}/s, {} repeats, {least} to {most} kB resident",
            published as f64 / took,
            tally.repeats
        );
    });
}

impl Seen {
    /// What was handled, and how often one came again.
    fn so_far(&self) -> (u64, u64) {
        let tally = self.tally.lock().unwrap();
        (tally.handled, tally.repeats)
    }
}

/// What of this process is resident, in kB, with a bit for each order that came.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
