//! What happened, in order: what the dispatch did to the broker, and what ran in the handlers meanwhile.

use std::{fmt, time::Duration};

use tokio::time::Instant;
use typebus::{
    ErrorKind, Outcome,
    backend::{Floor, Intake, Partitions, Room, Sender, Token},
};

/// No message at all.
pub(crate) const NOTHING: [u64; 0] = [];

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// The consumer was polled.
    Polled(Room),
    /// A delivery was handed out.
    Handed(Token, u64),
    /// News other than deliveries were handed out.
    Told(Intake),
    /// Deliveries were settled: the numbers are those of the tokens.
    Settled { tokens: Vec<Token>, numbers: Vec<u64>, floors: Vec<Floor> },
    /// A revocation was answered.
    Released(Partitions),
    /// The consumer was asked to close, for the first time.
    Closing,
    /// The consumer has closed.
    Closed,
    /// The consumer was dropped.
    Left,
    /// A message was handed to the backend.
    Sent { topic: String, id: String, sender: Sender },
    /// It is stored, and the dispatch may know.
    Confirmed { topic: String, id: String },
    /// It is refused.
    Refused { topic: String, id: String, kind: ErrorKind },
    /// Nobody waits for the answer any more.
    Forsaken { topic: String, id: String },
    /// The publishing side was closed.
    BackendClosed,
    /// A handler began: with one delivery, or with a batch.
    Began { run: u64, numbers: Vec<u64>, attempt: u32 },
    /// It ended.
    Ended { run: u64, numbers: Vec<u64>, how: How },
}

/// How a run of a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It returned so many events.
    Well(usize),
    Failed(Outcome),
    Panicked,
    /// Its future was dropped.
    Dropped,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Since the script began.
    pub(crate) at: Duration,
    /// The subscription, where it is about one.
    pub(crate) feed: usize,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) struct Journal {
    began: Instant,
    entries: Vec<Entry>,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), entries: Vec::new() }
    }

    pub(super) fn note(&mut self, feed: usize, what: What) {
        self.entries.push(Entry { at: self.began.elapsed(), feed, what });
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Everything of one kind, in order.
    pub(crate) fn each<'a, T>(
        &'a self,
        pick: impl Fn(&'a What) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> {
        self.entries.iter().filter_map(move |entry| pick(&entry.what))
    }

    pub(crate) fn count(&self, is: impl Fn(&What) -> bool) -> usize {
        self.entries.iter().filter(|entry| is(&entry.what)).count()
    }

    pub(crate) fn has(&self, what: &What) -> bool {
        self.entries.iter().any(|entry| entry.what == *what)
    }

    /// Where something first happened.
    pub(crate) fn place(&self, is: impl Fn(&What) -> bool) -> Option<usize> {
        self.entries.iter().position(|entry| is(&entry.what))
    }

    /// When something happened, each time.
    pub(crate) fn moments(&self, is: impl Fn(&What) -> bool) -> Vec<Duration> {
        self.entries.iter().filter(|entry| is(&entry.what)).map(|entry| entry.at).collect()
    }

    /// How often a delivery was handed out.
    pub(crate) fn handed(&self, number: u64) -> usize {
        self.count(|what| matches!(what, What::Handed(_, handed) if *handed == number))
    }

    /// How many runs of a delivery began.
    pub(crate) fn began(&self, number: u64) -> usize {
        self.count(|what| matches!(what, What::Began { numbers, .. } if numbers.contains(&number)))
    }

    /// How the runs of a delivery ended.
    pub(crate) fn ends(&self, number: u64) -> Vec<How> {
        self.each(|what| match what {
            What::Ended { numbers, how, .. } if numbers.contains(&number) => Some(*how),
            _ => None,
        })
        .collect()
    }

    /// Every delivery with which a run began, in that order.
    pub(crate) fn beginnings(&self) -> Vec<u64> {
        self.each(|what| match what {
            What::Began { numbers, .. } => Some(numbers.clone()),
            _ => None,
        })
        .flatten()
        .collect()
    }

    /// Every settled delivery, in that order.
    pub(crate) fn settled(&self) -> Vec<u64> {
        self.each(|what| match what {
            What::Settled { numbers, .. } => Some(numbers.clone()),
            _ => None,
        })
        .flatten()
        .collect()
    }

    /// Every floor of a partition that was told, in that order.
    pub(crate) fn floors(&self, partition: u32) -> Vec<u64> {
        self.each(|what| match what {
            What::Settled { floors, .. } => Some(floors),
            _ => None,
        })
        .flatten()
        .filter(|floor| floor.partition == partition)
        .map(|floor| floor.position)
        .collect()
    }

    /// The ids of what was handed to the backend for a topic, each time.
    pub(crate) fn sent(&self, to: &str) -> Vec<String> {
        self.each(|what| match what {
            What::Sent { topic, id, .. } if topic == to => Some(id.clone()),
            _ => None,
        })
        .collect()
    }

    /// The ids of what was confirmed on a topic.
    pub(crate) fn confirmed(&self, on: &str) -> Vec<String> {
        self.each(|what| match what {
            What::Confirmed { topic, id } if topic == on => Some(id.clone()),
            _ => None,
        })
        .collect()
    }

    /// The revocations that were answered.
    pub(crate) fn released(&self) -> Vec<Partitions> {
        self.each(|what| match what {
            What::Released(partitions) => Some(partitions.clone()),
            _ => None,
        })
        .collect()
    }

    /// The last room that was given.
    pub(crate) fn room(&self) -> Option<Room> {
        self.each(|what| match what {
            What::Polled(room) => Some(*room),
            _ => None,
        })
        .last()
    }
}

/// One line for each entry, without the polls.
impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { at, feed, what } in &self.entries {
            if !matches!(what, What::Polled(_)) {
                writeln!(f, "{at:>12?}  {feed}  {what:?}")?;
            }
        }
        Ok(())
    }
}
