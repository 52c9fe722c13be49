//! Shops that ask for quotes, and offices that give them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Error, ErrorKind, GroupStats, Running, backend::Capabilities, prelude::*};
use typebus_tests::{Does, Gate, Job, Journal, Seen};

use crate::wrapped::Wrapped;

/// What does something costs; the attempts at it do what they are told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "prices.quotes", name = "get.quote", key = key, reply = Quote)]
pub(crate) struct GetQuote {
    pub(crate) number: u32,
    pub(crate) key: Option<String>,
    pub(crate) does: Vec<Does>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Quote {
    pub(crate) number: u32,
    pub(crate) cents: u64,
}

impl GetQuote {
    pub(crate) fn of(number: u32) -> Self {
        Self { number, key: None, does: Vec::new() }
    }

    pub(crate) fn does(does: impl Into<Vec<Does>>) -> Self {
        Self { does: does.into(), ..Self::of(1) }
    }

    pub(crate) fn answer(&self) -> Quote {
        Quote { number: self.number, cents: u64::from(self.number) * 100 }
    }
}

/// What goes on in an office.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    pub(crate) journal: Journal,
    /// Ids of the requests that came.
    pub(crate) came: Seen<String>,
    pub(crate) gate: Gate,
}

#[handler(retry(attempts = 3, backoff = "1s..1s", jitter = false), timeout = "1h", unknown_version = dead_letter)]
pub(crate) async fn quote(
    asked: Envelope<GetQuote>,
    attempt: Attempt,
    desk: State<Desk>,
) -> Result<Quote, Failure> {
    desk.came.push(asked.metadata.id().to_owned());
    let GetQuote { number, key, does } = asked.event.clone();
    if does == [Does::Hang] {
        desk.gate.pass().await;
    } else {
        desk.journal.run(&Job { number, key, does }, attempt.number()).await?;
    }
    Ok(asked.event.answer())
}

service! { pub(crate) Office = "office" { handles: [quote], state: [Desk] } }

service! { pub(crate) Shop = "shop" { publishes: [GetQuote] } }

/// A connection to a broker through which requests can be made.
pub(crate) fn able(url: &str) -> Wrapped {
    let memory = Wrapped::new(url);
    let capabilities = Capabilities { broadcast: true, ..memory.capabilities };
    Wrapped { capabilities, tells_age: true, ..memory }
}

/// A shop that has not been started.
pub(crate) async fn shop(url: &str) -> Bus<Shop> {
    Bus::<Shop>::builder().connect(able(url)).await.unwrap()
}

/// An office at work.
pub(crate) async fn office(url: &str, desk: &Desk) -> (Bus<Office>, Running) {
    let bus = Bus::<Office>::builder().state(desk.clone()).connect(able(url)).await.unwrap();
    let running = bus.start().await.unwrap();
    (bus, running)
}

/// What became of the deliveries of the only subscription: handled, dead-lettered, discarded, expired.
pub(crate) fn fates(running: &Running) -> [u64; 4] {
    let GroupStats { handled, dead_lettered, discarded, expired, .. } = typebus_tests::counts(running);
    [handled, dead_lettered, discarded, expired]
}

/// The error of a request that was given up.
pub(crate) fn given_up(error: &Error) -> String {
    assert_eq!((error.kind(), error.operation()), (ErrorKind::RequestFailed, "request"), "{error}");
    assert!(!error.outcome_unknown() && !error.is_transient());
    error.to_string()
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
