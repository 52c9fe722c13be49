//! What operators write: URLs, variables, files.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use typebus::{Config, Error, ErrorKind, Problem, backend::memory::Memory, prelude::*, testing::Foreign};

use crate::shop::alone;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed")]
struct Placed {
    fails: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.payments", name = "payment.made")]
struct Paid {
    number: u64,
}

#[handler]
async fn charge(order: Placed) -> Result<(), Failure> {
    if order.fails { Err(Failure::retry("as it was told")) } else { Ok(()) }
}

#[handler]
async fn collect(payments: Batch<Paid>) {
    assert!(payments.iter().len() > 0);
}

service! { Till = "till" { handles: [charge, collect], publishes: [Placed, Paid], manifest: none } }

pub(super) const URLS: &[&str] = &[
    "memory:",
    "memory:shop",
    "kafka://",
    "nats://",
    "user:hunter2@",
    "localhost:9092",
    "?",
    "&",
    "=",
    "#",
    "/",
    "@",
    "partitions=1",
    "capacity=1",
    "capacity_bytes=1",
    "full_after=",
    "max_message=1",
    "profile=",
    "kafka",
    "rabbitmq",
    "nats",
    "pulsar",
    "5s",
    "0ms",
    "1024",
    "1025",
    "213503982334d",
    "18446744073709551615ms",
    "%20",
    "ü",
];

/// The URL of a broker.
pub fn url(input: &[u8]) {
    let url = String::from_utf8_lossy(input).into_owned();
    let shown = format!("{:?}", Config::from_vars([("TYPEBUS_URL".to_owned(), url.clone())]));
    let connected = Foreign::connect(&url);
    let errors = connected.as_ref().err().map(|error| format!("{error} {error:?}")).unwrap_or_default();
    if let Some(password) = password(&url) {
        assert!(
            !shown.contains(password) && !errors.contains(password),
            "{url:?} is shown: {shown} {errors}"
        );
    }
    let memory = Memory::from_url(&url);
    assert!(memory.is_ok() || connected.is_err());
    match (memory, connected) {
        (Ok(memory), Ok(_)) => {
            let Memory { name, partitions, capacity, capacity_bytes, max_message, .. } = memory;
            assert!(
                (1..=1_024).contains(&partitions) && capacity > 0 && capacity_bytes > 0 && max_message > 0
            );
            assert!(name.is_none_or(|name| (1..=100).contains(&name.len())));
            alone(works(Bus::<Till>::builder().connect(&url)));
        }
        (_, Err(error)) => is_told(&error),
        (Err(error), Ok(_)) => panic!("{url:?} is connected to, and is no URL: {error}"),
    }
}

/// What stands where a password does, if it is long enough to be told from the rest.
fn password(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let (user_info, _) = rest.split_once('@')?;
    let (user, password) = user_info.split_once(':')?;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_plain(scheme) && is_plain(user) && is_plain(password) && password.contains("hunter2"))
        .then_some(password)
        .filter(|password| url.matches(password).count() == 1)
}

pub(super) const VARS: &[&str] = &[
    "TYPEBUS_",
    "TYPEBUS_URL=",
    "TYPEBUS_PREFIX=",
    "TYPEBUS_TUNING_",
    "TYPEBUS_HANDLERS_",
    "CHARGE_",
    "COLLECT_",
    "HELD=",
    "HELD_BYTES=",
    "GAP=",
    "DRAIN=",
    "CLOSE=",
    "REVOKE_GRACE=",
    "CRASHES=",
    "UNWRITABLE=",
    "CONCURRENCY=",
    "ATTEMPTS=",
    "BACKOFF=",
    "JITTER=",
    "TIMEOUT=",
    "BATCH_MAX=",
    "BATCH_WAIT=",
    "WORKERS=",
    "REQUEST_TIMEOUT=",
    "true",
    "none",
    "..",
    "1ms",
    "30s",
    "213503982334d",
    "18446744073709551615ms",
    "staging",
    "dead",
    "memory:",
    "\n",
];

/// Variables of the environment, one a line.
pub fn vars(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let vars = text.lines().map(|line| line.split_once('=').unwrap_or((line, "")));
    governs(Config::from_vars(vars.map(|(name, value)| (name.to_owned(), value.to_owned()))));
}

pub(super) const TOML: &[&str] = &[
    "url = ",
    "\"memory:\"",
    "prefix = ",
    "\"staging\"",
    "[rename]",
    "[tuning]",
    "[handlers.charge]",
    "[handlers.collect]",
    "handlers.charge.",
    "batch.",
    "max = ",
    "wait = ",
    "held = ",
    "held_bytes = ",
    "gap = ",
    "drain = ",
    "close = ",
    "revoke_grace = ",
    "crashes = ",
    "unwritable = ",
    "concurrency = ",
    "attempts = ",
    "backoff = ",
    "\"1ms..30s\"",
    "\"1ms..18446744073709551615ms\"",
    "jitter = ",
    "timeout = ",
    "\"none\"",
    "\"213503982334d\"",
    "\"30s\"",
    "true",
    "\"shop.orders\"",
    "shop.orders = ",
    "shop.payments = ",
    "\"Orders_v1\"",
    "'''",
    "\"",
    "#",
    "[[",
    "0x",
    "{",
    "}",
    "\n",
    "hunter2",
];

/// A file.
pub fn toml(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Config::from_toml(&text) {
        Ok(config) => governs(config),
        Err(error) => {
            is_told(&error);
            // What cannot be read may be a password.
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}

/// A program can be started with it, or is told all that is wrong; and what is in force, written down, says the same.
fn governs(config: Config) {
    let _ = format!("{config:?}");
    alone(async {
        let bus = match Bus::<Till>::builder().config(config.clone()).connect("memory:").await {
            Ok(bus) => bus,
            Err(error) => {
                is_told(&error);
                let told: Vec<_> = error.problems().iter().map(said_of).collect();
                assert!(
                    config.problems().iter().all(|problem| told.contains(&said_of(problem))),
                    "{error:?}"
                );
                return;
            }
        };
        assert!(config.problems().is_empty(), "{:?}", config.problems());
        let effective = bus.effective().to_string();
        let again = Config::from_toml(&effective).unwrap_or_else(|error| panic!("{error}: {effective}"));
        let again = Bus::<Till>::builder().config(again).connect("memory:").await;
        let again = again.unwrap_or_else(|error| panic!("{error}: {effective}"));
        let said = |bus: &Bus<Till>| -> Vec<_> {
            let settings = bus.effective().settings();
            settings.iter().map(|setting| (setting.name(), setting.value().to_owned())).collect()
        };
        assert_eq!(said(&bus), said(&again));
        works(std::future::ready(Ok(bus))).await;
    });
}

/// A program runs, and ends when it is told to, however odd what it is told to be.
async fn works(bus: impl IntoFuture<Output = typebus::Result<Bus<Till>>>) {
    let bus = match bus.await {
        Ok(bus) => bus,
        Err(error) => return is_told(&error),
    };
    let running = bus.start().await.expect("it starts");
    for number in 0..3 {
        for sent in [bus.publish(&Placed { fails: number == 2 }).await, bus.publish(&Paid { number }).await] {
            if let Err(error) = sent {
                assert!(
                    matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Full | ErrorKind::Unroutable),
                    "{error}"
                );
            }
        }
    }
    // A retry may be as far away as one likes; what is left then is left to the next who comes.
    _ = timeout(Duration::from_secs(3_600), running.caught_up()).await;
    for group in running.stats().groups() {
        assert!(group.settled() <= group.received && group.dead_lettered <= 1, "{group:?}");
    }
    running.stop().await.expect("it stops");
}

fn said_of(problem: &Problem) -> (&str, &str) {
    (problem.place(), problem.message())
}

fn is_told(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(!error.to_string().is_empty());
    for problem in error.problems() {
        assert!(!problem.place().is_empty() && !problem.message().is_empty(), "{problem:?}");
    }
}
