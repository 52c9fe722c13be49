//! What each broker is like, as far as a program can notice: one table, which the other files ask by name.

use std::{fmt, time::Duration};

use crate::backend::{Capabilities, Order};

/// The broker whose behaviour a broker in memory takes on; see the [module](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Apache Kafka.
    Kafka,
    /// RabbitMQ with quorum queues.
    RabbitMq,
    /// NATS JetStream.
    Nats,
    /// Apache Pulsar.
    Pulsar,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Kafka, Self::RabbitMq, Self::Nats, Self::Pulsar];

    /// The name in a URL: `kafka`, `rabbitmq`, `nats`, `pulsar`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::RabbitMq => "rabbitmq",
            Self::Nats => "nats",
            Self::Pulsar => "pulsar",
        }
    }

    /// The largest message of that broker as it comes out of the box, in bytes.
    #[must_use]
    pub const fn max_message(self) -> usize {
        Nature::of(Some(self)).max_message
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Nature {
    /// Topics have partitions, and deliveries say which; else a topic has one, which nobody sees.
    pub(super) partitioned: bool,
    pub(super) positions: Positions,
    pub(super) durability: Durability,
    /// How the members of a group share it with `order = key`, `partition` and `none`.
    sharing: [Sharing; 3],
    /// A group that is new sees what was published before.
    pub(super) history: bool,
    pub(super) unrouted: Unrouted,
    pub(super) headers: HeaderRules,
    /// A repeat of the same message within this time is confirmed and not stored.
    pub(super) id_window: Option<Duration>,
    pub(super) lease: Lease,
    /// Two topics whose names differ in `_` and `.` alone are one.
    pub(super) names_collide: bool,
    /// A pattern must begin with a plain token, which names its stream.
    pub(super) streams: bool,
    /// The order of a group on a topic is fixed when it is created.
    pub(super) order_is_fixed: bool,
    /// It remembers how many attempts a delivery had, and which processes died of it.
    pub(super) remembers: bool,
    delay: bool,
    expiry: bool,
    at_most_once: bool,
    shared: bool,
    longest_hold: Option<Duration>,
    max_message: usize,
}

/// Where a message is, as the broker tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Positions {
    /// Counted in each partition.
    Offsets,
    /// Not told.
    Untold,
    /// Counted in the stream, over all its topics.
    Sequence,
    /// Ledger and entry.
    Entries,
}

/// When a settlement is safe from a crash, and what comes again after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// At once, one by one.
    Prompt,
    /// With the next commit, which takes place `every` so long, or after so many settlements, on release and on close.
    Lazy { every: Duration, settlements: usize },
    /// At once up to the first that is not settled; whoever takes over begins there, whatever was settled above it.
    Floor,
}

/// How the members of a group share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Each has some partitions.
    Partitions,
    /// One has everything, the others stand by.
    OneActive,
    /// Whoever has room takes the next delivery.
    Competing,
    /// The same, but the deliveries of one key go to one member as long as one of them is not settled.
    ByKey,
}

/// What becomes of a message that no group receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unrouted {
    Kept,
    /// Refused, unless it is a dead letter of a service that was provisioned.
    NeedsGroup,
    /// Refused where no stream takes the topic; else kept.
    NeedsStream,
}

/// What headers the wire can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderRules {
    Anything,
    /// Names of text; values are any bytes.
    TextNames,
    /// Names once each, and text; values are any bytes.
    Table,
    /// Names of visible ASCII without a colon, values of text; the order of different names is lost.
    Lines,
    /// Names once each; names and values are text.
    TextMap,
}

/// How long a consumer may keep what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    /// As long as it is connected.
    Endless,
    /// So long; it renews it by itself while it lives.
    Renewed(Duration),
    /// So long, which nothing makes longer.
    Fixed(Duration),
}

const BARE: Nature = Nature {
    partitioned: true,
    positions: Positions::Offsets,
    durability: Durability::Prompt,
    sharing: [Sharing::Partitions; 3],
    history: true,
    unrouted: Unrouted::Kept,
    headers: HeaderRules::Anything,
    id_window: None,
    lease: Lease::Endless,
    names_collide: false,
    streams: false,
    order_is_fixed: false,
    remembers: true,
    delay: true,
    expiry: true,
    at_most_once: true,
    shared: false,
    longest_hold: None,
    max_message: 1024 * 1024,
};

const KAFKA: Nature = Nature {
    durability: Durability::Lazy { every: Duration::from_millis(200), settlements: 1_000 },
    // Its records carry names of any bytes; its client for Rust takes names that are text.
    headers: HeaderRules::TextNames,
    lease: Lease::Renewed(Duration::from_secs(45)),
    names_collide: true,
    delay: false,
    expiry: false,
    at_most_once: false,
    shared: true,
    ..BARE
};

const RABBITMQ: Nature = Nature {
    partitioned: false,
    positions: Positions::Untold,
    sharing: [Sharing::OneActive, Sharing::OneActive, Sharing::Competing],
    history: false,
    unrouted: Unrouted::NeedsGroup,
    headers: HeaderRules::Table,
    lease: Lease::Fixed(RABBITMQ_TIMEOUT),
    order_is_fixed: true,
    delay: false,
    at_most_once: false,
    shared: true,
    longest_hold: Some(RABBITMQ_TIMEOUT),
    max_message: 16 * 1024 * 1024,
    ..BARE
};

const RABBITMQ_TIMEOUT: Duration = Duration::from_secs(30 * 60);

const NATS: Nature = Nature {
    partitioned: false,
    positions: Positions::Sequence,
    durability: Durability::Floor,
    sharing: [Sharing::OneActive, Sharing::OneActive, Sharing::Competing],
    unrouted: Unrouted::NeedsStream,
    headers: HeaderRules::Lines,
    id_window: Some(Duration::from_secs(120)),
    lease: Lease::Renewed(Duration::from_secs(30)),
    streams: true,
    at_most_once: false,
    shared: true,
    ..BARE
};

const PULSAR: Nature = Nature {
    partitioned: false,
    positions: Positions::Entries,
    sharing: [Sharing::ByKey, Sharing::OneActive, Sharing::Competing],
    unrouted: Unrouted::NeedsGroup,
    headers: HeaderRules::TextMap,
    remembers: false,
    expiry: false,
    at_most_once: false,
    shared: true,
    max_message: 5 * 1024 * 1024,
    ..BARE
};

impl Nature {
    pub(super) const fn of(profile: Option<Profile>) -> &'static Self {
        match profile {
            None => &BARE,
            Some(Profile::Kafka) => &KAFKA,
            Some(Profile::RabbitMq) => &RABBITMQ,
            Some(Profile::Nats) => &NATS,
            Some(Profile::Pulsar) => &PULSAR,
        }
    }

    pub(super) const fn sharing(&self, order: Order) -> Sharing {
        match order {
            Order::Key => self.sharing[0],
            Order::Partition => self.sharing[1],
            Order::None => self.sharing[2],
        }
    }

    pub(super) const fn capabilities(&self, max_message: usize) -> Capabilities {
        Capabilities {
            patterns: true,
            key_order: true,
            partition_order: true,
            start_earliest: self.history,
            start_latest: true,
            broadcast: true,
            at_most_once: self.at_most_once,
            crash_guard: self.remembers,
            delay: self.delay,
            expiry: self.expiry,
            explicit_partition: self.partitioned,
            shared: self.shared,
            longest_hold: self.longest_hold,
            max_message,
        }
    }
}
