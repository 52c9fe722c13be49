//! One load of orders on one server, and what is done to it meanwhile.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

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
/// The same where something has to be under way for longer: until a dead service's lease is over, and beyond.
const LONG_PAUSE: Duration = Duration::from_millis(80);
/// Whatever is waited for comes within this time, or the trial fails.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the ledgers are looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// The processes of a trial, and their ledgers.
#[derive(Debug)]
pub(crate) struct Play {
    publisher: Process,
    pub(crate) handlers: Vec<Process>,
    published: Orders,
    handled: Orders,
    peak: u64,
    begun: Instant,
    /// When the first fault hit, and the last.
    hit: Option<(Duration, Duration)>,
    /// One of the handling processes stood still: it has yet to hear that what it holds is another's.
    has_stalled: bool,
    _folder: tempfile::TempDir,
}

/// What a trial came to.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) account: Account,
    /// The longest time in which no handler returned: after the first fault, if there was one.
    pub(crate) outage: Duration,
    pub(crate) peak: u64,
    pub(crate) took: Duration,
}

impl Play {
    /// Starts so many handling processes, then the one that publishes.
    pub(crate) fn begin(url: &str, handlers: usize) -> Result<Self, String> {
        Self::paced(url, handlers, PAUSE)
    }

    /// The same with a load that takes half a minute.
    pub(crate) fn begin_slowly(url: &str, handlers: usize) -> Result<Self, String> {
        Self::paced(url, handlers, LONG_PAUSE)
    }

    fn paced(url: &str, handlers: usize, pause: Duration) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let orders = |name: &str| Orders {
            url: url.to_owned(),
            ledger: folder.path().join(name).display().to_string(),
            keys: KEYS,
            each: EACH,
            pause,
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
            begun: Instant::now(),
            hit: None,
            has_stalled: false,
            _folder: folder,
        })
    }

    /// Waits until this share of the load is confirmed, and a publish is unconfirmed and a delivery unsettled: with
    /// less a fault shows nothing.
    pub(crate) fn reach(&self, part: usize, of: usize) -> Result<(), String> {
        let wanted = (KEYS * EACH) as usize * part / of;
        self.until(&format!("{part}/{of} of the load is confirmed, and something under way"), || {
            let published = ledger::read(&self.published.ledger);
            let count = |is: fn(&Entry) -> bool| published.iter().filter(|line| is(&line.entry)).count();
            let begun = count(|entry| matches!(entry, Entry::Begun(..)));
            let confirmed = count(|entry| matches!(entry, Entry::Confirmed(..)));
            confirmed >= wanted && begun > confirmed && self.is_handling()
        })
    }

    /// Whether something began that has not ended. What was under way at the last fault may be so for ever.
    fn is_handling(&self) -> bool {
        let since = self.hit.map_or(Duration::ZERO, |(_, last)| last);
        let mut running = BTreeSet::new();
        for line in ledger::read(&self.handled.ledger).iter().filter(|line| line.at >= since) {
            match line.entry {
                Entry::Started(key, nth) => _ = running.insert((key, nth)),
                Entry::Ended(key, nth) => _ = running.remove(&(key, nth)),
                Entry::Begun(..) | Entry::Failed(..) | Entry::Confirmed(..) => {}
            }
        }
        !running.is_empty()
    }

    /// Does something to the server, to a link or to a process.
    pub(crate) fn fault<T>(&mut self, harm: impl FnOnce(&mut Self) -> T) -> T {
        let now = ledger::now();
        let first = self.hit.map_or(now, |(first, _)| first);
        let done = harm(self);
        self.hit = Some((first, ledger::now()));
        done
    }

    /// One of the handling processes dies while it handles something, and another takes its place.
    pub(crate) fn replace(&mut self, nth: usize) -> Result<(), String> {
        self.peak = self.peak.max(self.handlers[nth].peak_memory());
        // It stands still while that is looked at.
        self.until("a process is caught at work", || {
            self.handlers[nth].pause();
            let is_handling = self.is_handling();
            if !is_handling {
                self.handlers[nth].resume();
            }
            is_handling
        })?;
        self.handlers[nth].kill();
        self.handlers[nth] = Process::start("handle", &self.handled);
        Ok(())
    }

    /// One of the handling processes stands still, as one without time would, for as long as `meanwhile` takes.
    pub(crate) fn stall(&mut self, nth: usize, meanwhile: impl FnOnce()) {
        self.has_stalled = true;
        self.handlers[nth].pause();
        meanwhile();
        self.handlers[nth].resume();
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
        self.handlers[0].tell(if self.has_stalled { "catch-up-and-let-go" } else { "catch-up" });
        let said = self.handlers[0].expect("caught-up", PATIENCE)?;
        let peak = self.handlers.iter().map(Process::peak_memory).max().unwrap_or_default();
        let took = self.begun.elapsed();
        for handler in &mut self.handlers {
            handler.tell("stop");
            handler.expect("stopped", PATIENCE)?;
        }
        let (published, handled) = (ledger::read(&self.published.ledger), ledger::read(&self.handled.ledger));
        let account = ledger::check(&published, &handled)?;
        let first = handled.first().map_or(Duration::ZERO, |line| line.at);
        let outage = ledger::outage(&handled, self.hit.map_or(first, |(first, _)| first));
        if account.confirmed != (KEYS * EACH) as usize {
            return Err(format!("{} orders were confirmed, of {}", account.confirmed, KEYS * EACH));
        }
        if !said.ends_with(" 0") {
            return Err(format!("caught up, and yet something is held: received and held are {said}"));
        }
        Ok(Figures { account, outage, peak: peak.max(self.peak), took })
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
