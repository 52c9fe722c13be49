//! Beside the best hand-written program for each client: confirmed publishing with a window, at-least-once consuming,
//! and latency at 500 a second, on a real server, interleaved in one run.
//!
//! `cargo bench -p typebus-benches --features nats --bench brokers -- nats [--rounds N] [--events N] [--window N]`. The
//! server is the one of `TYPEBUS_TEST_NATS_URL`, as `cargo xtask brokers up` prints it. Both sides do the same work: an
//! [`Order`] of 200 bytes in JSON with the same headers, an id and a time of its own, each confirmed; consuming looks at
//! its type, decodes it and settles it. The time of consuming is from the first order to the last.
//!
//! `--acks 1` has RabbitMQ's hand-written program acknowledge one by one instead of 50 at once.
//!
//! With `--soak SECONDS` our side alone publishes and consumes for so long: nothing may be lost or overtake its key.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on panics"
)]
#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod ours;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
mod soak;

use std::time::{Duration, Instant};

use typebus_benches::Rounds;

/// How much, and how often.
#[derive(Debug, Clone, Copy)]
struct Size {
    rounds: usize,
    events: u64,
    window: usize,
}

/// What a side took for a load.
#[derive(Debug, Clone, Copy)]
struct Took {
    publish: Duration,
    consume: Duration,
    /// The processor time of this process, for both.
    cpu: Duration,
}

/// A hand-written program.
trait Raw {
    /// The broker as our side reaches it for a load, with what this program sets for one.
    fn load_url(&self, url: &str) -> String {
        url.to_owned()
    }
    /// Publishes a load on a topic of its own and consumes it.
    fn run(&self, size: Size) -> Took;
    /// Publishes 500 orders a second, one by one, and consumes them meanwhile; the time from one to the other for each.
    fn latency(&self) -> Vec<Duration>;
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let broker = arguments.first().map_or("", String::as_str);
    let url = std::env::var(format!("TYPEBUS_TEST_{}_URL", broker.to_uppercase())).unwrap_or_default();
    let raw: Box<dyn Raw> = match broker {
        #[cfg(feature = "kafka")]
        "kafka" => Box::new(kafka::Program::new(&url)),
        #[cfg(feature = "nats")]
        "nats" => Box::new(nats::Program::new(&url)),
        #[cfg(feature = "rabbitmq")]
        "rabbitmq" => Box::new(rabbitmq::Program::new(&url, option("--acks"))),
        other => panic!(
            "`{other}` is no broker of this build; say kafka, nats or rabbitmq, and turn its feature on"
        ),
    };
    assert!(!url.is_empty(), "`cargo xtask brokers up {broker}` prints the URL to be set");
    let size = Size {
        rounds: option("--rounds").map_or(5, |rounds| usize::try_from(rounds).unwrap()),
        events: option("--events").unwrap_or(if broker == "rabbitmq" { 30_000 } else { 100_000 }),
        window: option("--window").map_or(1_000, |window| usize::try_from(window).unwrap()),
    };
    match option("--soak") {
        Some(seconds) => {
            soak::run(broker, &raw.load_url(&url), Duration::from_secs(seconds), size.window);
        }
        None => compare(broker, &url, raw.as_ref(), size),
    }
}

fn compare(broker: &str, url: &str, raw: &dyn Raw, size: Size) {
    let (mut publish, mut consume) = (Rounds::default(), Rounds::default());
    let (mut theirs, mut mine) = (Duration::ZERO, Duration::ZERO);
    for round in 0..=size.rounds {
        let base = raw.run(size);
        let ours = ours::run(&raw.load_url(url), size);
        // The first round warms up.
        if round > 0 {
            publish.push(base.publish, ours.publish);
            consume.push(base.consume, ours.consume);
            (theirs, mine) = (theirs + base.cpu, mine + ours.cpu);
            let rate = |took: Duration| size.events as f64 / took.as_secs_f64();
            println!(
                "round {round}: publish {:>7.0}/s raw {:>7.0}/s ours, consume {:>7.0}/s raw {:>7.0}/s ours",
                rate(base.publish),
                rate(ours.publish),
                rate(base.consume),
                rate(ours.consume)
            );
        }
    }
    let per_event = |cpu: Duration| cpu.as_nanos() / (u128::from(size.events) * size.rounds as u128);
    println!("{broker}, {} orders, window {}", size.events, size.window);
    println!("publish {publish}");
    println!("consume {consume}");
    println!("processor time for both: {} ns an order raw, {} ns ours", per_event(theirs), per_event(mine));
    let (base, ours) = (raw.latency(), ours::latency(url));
    for (name, of) in [("p50", 50), ("p99", 99)] {
        let (base, ours) = (percentile(&base, of), percentile(&ours, of));
        println!(
            "latency at 500/s, {name}: {:.2} ms raw, {:.2} ms ours: {:.2} x",
            base.as_secs_f64() * 1e3,
            ours.as_secs_f64() * 1e3,
            ours.as_secs_f64() / base.as_secs_f64()
        );
    }
}

fn percentile(sorted: &[Duration], of: usize) -> Duration {
    sorted[(sorted.len() - 1) * of / 100]
}

/// How many orders the latency is measured with, and how far apart.
const CALM: u64 = 3_000;
const APART: Duration = Duration::from_millis(2);

/// The processor time that this process has used.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold anything, come the state and eleven numbers, then user and system time in ticks.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        |nth: usize| after.split_whitespace().nth(nth).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// What is new in the envelope of each event; with the rest it is what ours writes.
struct Stamp {
    id: String,
    time: String,
}

impl Stamp {
    fn new() -> Self {
        let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        Self { id: uuid::Uuid::now_v7().to_string(), time }
    }
}

/// The kind of the only event. Whoever takes more than one has to look at it.
const KIND: &str = "order.v1";

/// A word that no other run has.
fn unique() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("b{:x}", now.as_micros())
}

/// From the first to the last of so many.
#[derive(Debug, Default)]
struct Watch {
    first: Option<Instant>,
}

impl Watch {
    fn start(&mut self) {
        self.first.get_or_insert_with(Instant::now);
    }

    fn took(&self) -> Duration {
        self.first.map(|first| first.elapsed()).unwrap_or_default()
    }
}
