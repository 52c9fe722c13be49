//! What a handler's arguments decide, with the defaults of the delivery promises.

use std::time::Duration;

/// The order in which a subscription's deliveries run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Per topic and key nothing starts before every earlier delivery is settled. No key, no order.
    #[default]
    Key,
    /// The same per partition.
    Partition,
    /// No order.
    None,
}

/// Where a group that is new begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// At the oldest message that the broker still has.
    Earliest,
    /// At what is published after the group's creation.
    Latest,
}

/// What becomes of a delivery whose event the group does not handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Unhandled {
    /// It is settled and counted as skipped.
    #[default]
    Skip,
    /// It is dead-lettered with the reason `unhandled`.
    DeadLetter,
    /// It stops the bus with a fatal error and stays unsettled.
    Stop,
}

/// What becomes of a delivery whose event is handled, but not in this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnknownVersion {
    /// It holds its lane, and spends no attempts, until so long after the version was first seen: a newer instance may
    /// take over meanwhile. Then it is dead-lettered. A version older than all that are read is dead-lettered at once.
    Hold(Duration),
    /// It is dead-lettered at once.
    DeadLetter,
}

/// How often a handler may see a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Guarantee {
    /// Settled after the handler: again after a crash, never lost.
    #[default]
    AtLeastOnce,
    /// Settled before the handler, which has one attempt: lost in a crash, never again.
    AtMostOnce,
    /// Once, in a transaction of the broker. No backend has it yet; start-up refuses it.
    ExactlyOnce,
}

/// Where a handler's dead letters go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeadLetterTo {
    /// To `dead.<group>`.
    #[default]
    Group,
    /// To another topic; its first token is `dead`.
    Topic(&'static str),
    /// Nowhere: the delivery is discarded, and counted so.
    Discard,
}

/// The delays between attempts: `min(max, min · 2^(n-1))`, jittered into [50 %, 100 %] so that a floor exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay before the second attempt.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
    /// Whether a delay is shortened at random, by up to half.
    pub jitter: bool,
}

/// How a handler's deliveries are run, retried and given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts running at once, at least 1.
    pub concurrency: u16,
    /// The order, for the whole subscription.
    pub order: Order,
    /// Attempts in all before the dead letter, at least 1.
    pub attempts: u32,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// How long an attempt may take; `None` is for ever.
    pub timeout: Option<Duration>,
    /// Where dead letters go.
    pub dead_letter: DeadLetterTo,
    /// The most deliveries in one batch, for a `Batch<_>` handler.
    pub batch_max: u32,
    /// How long the first delivery of a batch waits for others.
    pub batch_wait: Duration,
    /// Where a new group begins; `None` leaves it to the broker: its history where it keeps one.
    pub start: Option<Start>,
    /// How often a delivery may be seen.
    pub delivery: Guarantee,
    /// What becomes of events that the group does not handle.
    pub unhandled: Unhandled,
    /// Every instance gets its own copy, from its start to its end.
    pub broadcast: bool,
    /// What becomes of an event in a version that is not read.
    pub unknown_version: UnknownVersion,
    /// After so many exhausted deliveries in a row the subscription pauses, and probes with one delivery at a time.
    pub breaker: Option<u32>,
    /// How long repeats of finished work are skipped; needs a store.
    pub dedupe: Option<Duration>,
}

impl Policy {
    /// What holds when a handler says nothing.
    pub const DEFAULT: Self = Self {
        concurrency: 16,
        order: Order::Key,
        attempts: 8,
        backoff: Backoff { min: Duration::from_millis(200), max: Duration::from_secs(30), jitter: true },
        timeout: Some(Duration::from_secs(60)),
        dead_letter: DeadLetterTo::Group,
        batch_max: 100,
        batch_wait: Duration::from_millis(20),
        start: None,
        delivery: Guarantee::AtLeastOnce,
        unhandled: Unhandled::Skip,
        broadcast: false,
        unknown_version: UnknownVersion::Hold(Duration::from_secs(15 * 60)),
        breaker: None,
        dedupe: None,
    };
}

/// How much a subscription may have taken and not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deliveries taken and not settled, 1 to 1,000,000: there is a place for each from the start.
    pub held: usize,
    /// Their bytes.
    pub held_bytes: usize,
    /// Positions between the lowest unsettled and the highest taken delivery of one partition.
    pub gap: u64,
}

impl Default for Limits {
    /// 1,000 deliveries, 32 MiB, 20,000 positions.
    fn default() -> Self {
        Self { held: 1_000, held_bytes: 32 * 1024 * 1024, gap: 20_000 }
    }
}
