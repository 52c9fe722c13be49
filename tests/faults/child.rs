//! The processes that a trial harms: one that publishes, and one that handles.
//!
//! A trial starts this program again with `child publish` or `child handle`. A child does what stdin tells it, a word
//! a line, answers on stdout, and writes down everything that happens in its ledger before it goes on.

use std::{
    io::{BufRead, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use typebus::{Limits, Tuning, prelude::*};

use crate::ledger::{Entry, Ledger};

/// What is published and handled.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "faults.orders", name = "fault.order", key = key, id = id)]
struct Order {
    key: String,
    /// Counts up per key.
    nth: u32,
    id: String,
    /// So that an order has about 200 bytes.
    text: String,
}

#[handler(group = "books", concurrency = 32, timeout = "10s")]
async fn book(order: Order, ledger: State<Arc<Ledger>>) {
    let key = order.key.parse().unwrap();
    ledger.write(Entry::Started(key, order.nth));
    // As long as a quick query takes; a fault finds some of them running.
    sleep(Duration::from_millis(2)).await;
    ledger.write(Entry::Ended(key, order.nth));
}

service! { Books = "books" { handles: [book], state: [Arc<Ledger>] } }
service! { Shop = "shop" { handles: [], publishes: [Order] } }

/// What a child is told.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// Where to connect.
    pub(crate) url: String,
    /// Where to write.
    pub(crate) ledger: String,
    /// How many keys, and how many orders of each.
    pub(crate) keys: u32,
    pub(crate) each: u32,
    /// How long to wait between two orders of a key.
    pub(crate) pause: Duration,
}

impl Orders {
    pub(crate) fn arguments(&self) -> [String; 5] {
        let Self { url, ledger, keys, each, pause } = self;
        [url.clone(), ledger.clone(), keys.to_string(), each.to_string(), pause.as_micros().to_string()]
    }

    fn read(arguments: &[String]) -> Self {
        let [url, ledger, keys, each, pause] = arguments else { panic!("{arguments:?}") };
        Self {
            url: url.clone(),
            ledger: ledger.clone(),
            keys: keys.parse().unwrap(),
            each: each.parse().unwrap(),
            pause: Duration::from_micros(pause.parse().unwrap()),
        }
    }
}

/// Runs what the arguments after `child` say.
pub(crate) fn run(arguments: &[String]) {
    let (role, orders) = (arguments[0].as_str(), Orders::read(&arguments[1..]));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter("warn").init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match role {
        "publish" => runtime.block_on(publish(&orders)),
        "handle" => runtime.block_on(handle(&orders)),
        role => panic!("no child is a `{role}`"),
    }
}

/// One task for each key, which awaits each confirmation: so the order of its key is the order of its numbers.
async fn publish(orders: &Orders) {
    let ledger = Arc::new(Ledger::append(&orders.ledger));
    let bus = Bus::<Shop>::builder().connect(&orders.url).await.unwrap();
    say("ready");
    let mut words = words();
    assert_eq!(words.recv().await.as_deref(), Some("go"));
    let mut keys = JoinSet::new();
    for key in 0..orders.keys {
        let (bus, ledger, orders) = (bus.clone(), ledger.clone(), orders.clone());
        keys.spawn(async move {
            for nth in 0..orders.each {
                let order =
                    Order { key: key.to_string(), nth, id: format!("{key}-{nth}"), text: "x".repeat(120) };
                ledger.write(Entry::Begun(key, nth));
                while let Err(error) = bus.publish(&order).await {
                    assert!(error.is_transient(), "{error:?}");
                    ledger.write(Entry::Failed(key, nth));
                    sleep(Duration::from_millis(200)).await;
                }
                ledger.write(Entry::Confirmed(key, nth));
                sleep(orders.pause).await;
            }
        });
    }
    while let Some(key) = keys.join_next().await {
        key.unwrap();
    }
    say("published");
}

/// In how long one that stood still holds nothing any more, once others settled all of it.
const LETTING_GO: Duration = Duration::from_secs(5);

async fn handle(orders: &Orders) {
    let ledger = Arc::new(Ledger::append(&orders.ledger));
    // On Kafka a crash makes suspects of whatever may have been held, and these run one by one: small in a trial.
    let limits = Limits { held: 100, ..Limits::default() };
    let builder = Bus::<Books>::builder().tuning(Tuning { limits, ..Tuning::default() });
    let bus = builder.state(ledger.clone()).connect(&orders.url).await.unwrap();
    let running = bus.start().await.unwrap();
    say("ready");
    let mut words = words();
    loop {
        tokio::select! {
            word = words.recv() => match word.as_deref() {
                Some(word @ ("catch-up" | "catch-up-and-let-go")) => {
                    running.caught_up().await.unwrap();
                    let group = || running.stats().groups()[0].clone();
                    let patience = if word == "catch-up" { Duration::ZERO } else { LETTING_GO };
                    let deadline = Instant::now() + patience;
                    while group().held > 0 && Instant::now() < deadline {
                        sleep(Duration::from_millis(20)).await;
                    }
                    say(&format!("caught-up {} {}", group().received, group().held));
                }
                Some("stop") | None => break,
                Some(word) => panic!("nobody says `{word}`"),
            },
            ended = running.finished() => panic!("the service ended by itself: {ended:?}"),
        }
    }
    running.stop().await.unwrap();
    say("stopped");
}

#[expect(clippy::print_stdout, reason = "it is what the parent reads")]
fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

/// What stdin says, line by line, for as long as the parent lives.
fn words() -> mpsc::UnboundedReceiver<String> {
    let (sender, words) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    words
}
