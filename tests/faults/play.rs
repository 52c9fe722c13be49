//! One load of orders on one server of its own, and what is done to it meanwhile.

use std::{
    thread,
    time::{Duration, Instant},
};

use typebus_servers::{Broker, Kafka, Nats, RabbitMq, Server};

use crate::{
    child::Orders,
    ledger::{self, Account, Entry},
    process::Process,
};

/// How many keys, and how many orders of each: 20,000 and a few.
const KEYS: u32 = 64;
const EACH: u32 = 313;
/// How long a key waits before its next order: the load takes some seconds, so that a fault comes in its middle.
const PAUSE: Duration = Duration::from_millis(10);
/// Whatever is waited for comes within this time, or the trial fails.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the ledgers are looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// A server that a trial has for itself.
#[derive(Debug)]
pub(crate) enum Site {
    Kafka(Kafka),
    Nats(Nats),
    RabbitMq(RabbitMq),
}

impl Site {
    pub(crate) fn open(broker: Broker) -> Self {
        match broker {
            Broker::Kafka => Self::Kafka(Kafka::start().unwrap()),
            Broker::Nats => Self::Nats(Nats::start().unwrap()),
            Broker::RabbitMq => Self::RabbitMq(RabbitMq::start().unwrap()),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Kafka(server) => server.url(),
            Self::Nats(server) => server.url(),
            Self::RabbitMq(server) => server.url(),
        }
    }

    pub(crate) fn version(&self) -> String {
        match self {
            Self::Kafka(server) => server.version(),
            Self::Nats(server) => server.version(),
            Self::RabbitMq(server) => server.version(),
        }
        .unwrap()
    }

    pub(crate) fn server(&self) -> &Server {
        match self {
            Self::Kafka(server) => server,
            Self::Nats(server) => server,
            Self::RabbitMq(server) => server,
        }
    }
}

/// The processes of a trial, and their ledgers.
#[derive(Debug)]
pub(crate) struct Play {
    publisher: Process,
    pub(crate) handlers: Vec<Process>,
    published: Orders,
    handled: Orders,
    peak: u64,
    outage: Duration,
    faults: usize,
    begun: Instant,
    _folder: tempfile::TempDir,
}

/// What a trial came to.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) account: Account,
    /// The longest time after a fault in which no handler returned.
    pub(crate) outage: Duration,
    pub(crate) peak: u64,
    pub(crate) took: Duration,
}

impl Play {
    /// Starts so many handling processes, then the one that publishes.
    pub(crate) fn begin(url: &str, handlers: usize) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let orders = |name: &str| Orders {
            url: url.to_owned(),
            ledger: folder.path().join(name).display().to_string(),
            keys: KEYS,
            each: EACH,
            pause: PAUSE,
        };
        let (published, handled) = (orders("published"), orders("handled"));
        let mut handling = Vec::new();
        for _ in 0..handlers {
            let mut handler = Process::start("handle", &handled);
            handler.expect("ready", PATIENCE)?;
            handling.push(handler);
        }
        let mut publisher = Process::start("publish", &published);
        publisher.expect("ready", PATIENCE)?;
        publisher.tell("go");
        Ok(Self {
            publisher,
            handlers: handling,
            published,
            handled,
            peak: 0,
            outage: Duration::ZERO,
            faults: 0,
            begun: Instant::now(),
            _folder: folder,
        })
    }

    /// Waits until this share of the load is confirmed, and a publish is unconfirmed and a delivery unsettled: with
    /// less a fault shows nothing.
    pub(crate) fn reach(&self, part: usize, of: usize) -> Result<(), String> {
        let wanted = (KEYS * EACH) as usize * part / of;
        self.until(&format!("{part}/{of} of the load is confirmed, and something under way"), || {
            let published = ledger::read(&self.published.ledger);
            let handled = ledger::read(&self.handled.ledger);
            let count =
                |entries: &[Entry], is: fn(&Entry) -> bool| entries.iter().filter(|entry| is(entry)).count();
            let begun = count(&published, |entry| matches!(entry, Entry::Begun(..)));
            let confirmed = count(&published, |entry| matches!(entry, Entry::Confirmed(..)));
            let started = count(&handled, |entry| matches!(entry, Entry::Started(..)));
            let ended = count(&handled, |entry| matches!(entry, Entry::Ended(..)));
            confirmed >= wanted && begun > confirmed && started > ended
        })
    }

    /// Does something to the server or to a process, and measures how long no handler returns after it.
    pub(crate) fn fault(&mut self, harm: impl FnOnce(&mut Self)) -> Result<(), String> {
        self.faults += 1;
        let before = self.ended();
        let hit = Instant::now();
        harm(self);
        let ended = |play: &Self| play.ended() > before;
        self.until("a handler returns again after the fault", || ended(self))?;
        self.outage = self.outage.max(hit.elapsed());
        Ok(())
    }

    /// One of the handling processes dies, and another takes its place.
    pub(crate) fn replace(&mut self, nth: usize) {
        self.peak = self.peak.max(self.handlers[nth].peak_memory());
        self.handlers[nth].kill();
        self.handlers[nth] = Process::start("handle", &self.handled);
    }

    /// One more handling process.
    pub(crate) fn join(&mut self) -> Result<(), String> {
        let mut handler = Process::start("handle", &self.handled);
        handler.expect("ready", PATIENCE)?;
        self.handlers.push(handler);
        Ok(())
    }

    /// The last handling process stops in an orderly way.
    pub(crate) fn leave(&mut self) -> Result<(), String> {
        let Some(mut handler) = self.handlers.pop() else { return Err("nobody is left".to_owned()) };
        self.peak = self.peak.max(handler.peak_memory());
        handler.tell("stop");
        handler.expect("stopped", PATIENCE).map(drop)
    }

    /// Waits until all is published and handled, stops everything, and checks the ledgers.
    pub(crate) fn end(mut self) -> Result<Figures, String> {
        self.publisher.expect("published", PATIENCE)?;
        self.handlers[0].tell("catch-up");
        let said = self.handlers[0].expect("caught-up", PATIENCE)?;
        let peak = self.handlers.iter().map(Process::peak_memory).max().unwrap_or_default();
        let took = self.begun.elapsed();
        for handler in &mut self.handlers {
            handler.tell("stop");
            handler.expect("stopped", PATIENCE)?;
        }
        let (published, handled) = (ledger::read(&self.published.ledger), ledger::read(&self.handled.ledger));
        let account = ledger::check(&published, &handled)?;
        if account.confirmed != (KEYS * EACH) as usize {
            return Err(format!("{} orders were confirmed, of {}", account.confirmed, KEYS * EACH));
        }
        if !said.ends_with(" 0") {
            return Err(format!("caught up, and yet something is held: received and held are {said}"));
        }
        Ok(Figures { account, outage: self.outage, peak: peak.max(self.peak), took })
    }

    fn ended(&self) -> usize {
        let handled = ledger::read(&self.handled.ledger);
        handled.iter().filter(|entry| matches!(entry, Entry::Ended(..))).count()
    }

    fn until(&self, what: &str, is: impl Fn() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !is() {
            if Instant::now() > deadline {
                return Err(format!("not within {PATIENCE:?}: {what}"));
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }
}
