//! The backends, one line each, and what each of them must be able to do at least.

use std::{sync::Arc, time::Duration};

use typebus::{
    ErrorKind,
    backend::{
        Backend, Capabilities,
        memory::{Faults, Held, Memory, MemoryBackend, Profile},
    },
};
use typebus_tests::broker;

use crate::{prefixed::Place, servers};

/// Every backend that the suite runs on. The next one joins by a line.
pub(crate) const BACKENDS: &[Entry] = &[
    Entry { name: "memory", at_least: EVERYTHING, nature: BARE, ..in_process(|| in_memory(None)) },
    Entry {
        name: "kafka",
        at_least: KAFKA_CAN,
        nature: KAFKA,
        ..in_process(|| in_memory(Some(Profile::Kafka)))
    },
    Entry {
        name: "rabbitmq",
        at_least: RABBITMQ_CAN,
        nature: RABBITMQ,
        ..in_process(|| in_memory(Some(Profile::RabbitMq)))
    },
    Entry { name: "nats", at_least: NATS_CAN, nature: NATS, ..in_process(|| in_memory(Some(Profile::Nats))) },
    Entry {
        name: "pulsar",
        at_least: PULSAR_CAN,
        nature: PULSAR,
        ..in_process(|| in_memory(Some(Profile::Pulsar)))
    },
    // What a memory profile answers its server is asked, too.
    #[cfg(feature = "kafka")]
    Entry {
        name: "kafka server",
        at_least: KAFKA_CAN,
        nature: Nature { lease: Some(Duration::from_secs(6)), ..KAFKA },
        ..on_server("kafka", || servers::server("kafka", KAFKA_OPTIONS, Place::Token))
    },
    #[cfg(feature = "rabbitmq")]
    Entry {
        name: "rabbitmq server",
        at_least: RABBITMQ_CAN,
        nature: RABBITMQ,
        ..on_server("rabbitmq", || servers::server("rabbitmq", RABBITMQ_OPTIONS, Place::Token))
    },
    #[cfg(feature = "nats")]
    Entry {
        name: "nats server",
        at_least: NATS_CAN,
        nature: Nature { lease: Some(Duration::from_secs(2)), ..NATS },
        ..on_server("nats", || servers::server("nats", NATS_OPTIONS, Place::FirstToken))
    },
    // The way to a server without one: chosen by name only.
    Entry {
        name: "stand-in",
        at_least: EVERYTHING,
        nature: BARE,
        by_name_only: true,
        ..on_server("", stand_in)
    },
];

/// What is set in the servers' URLs, so that a trial waits seconds for what a program might wait a minute for: the
/// leases of what died, and the discovery of topics.
#[cfg(feature = "kafka")]
const KAFKA_OPTIONS: &str = "session_timeout=6s&refresh=500ms&client.heartbeat.interval.ms=300";
#[cfg(feature = "rabbitmq")]
const RABBITMQ_OPTIONS: &str = "";
#[cfg(feature = "nats")]
const NATS_OPTIONS: &str = "ack_wait=2s&pin_timeout=2s&idle_timeout=1s";

/// One backend.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The column of the table.
    pub(crate) name: &'static str,
    /// A broker that no other trial has, or a share of a server that no other trial has.
    pub(crate) open: fn() -> Box<dyn Broker>,
    /// It may declare more, and nothing less.
    pub(crate) at_least: Capabilities,
    pub(crate) nature: Nature,
    pub(crate) clock: Clock,
    /// Which server it is, if it is one.
    pub(crate) server: &'static str,
    /// It runs only where a filter says its name.
    pub(crate) by_name_only: bool,
}

/// How time passes in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// At once, when nothing else is left to do.
    Virtual,
    /// As it does: a server has a clock of its own.
    Real,
}

const fn in_process(open: fn() -> Box<dyn Broker>) -> Entry {
    Entry {
        name: "",
        open,
        at_least: EVERYTHING,
        nature: BARE,
        clock: Clock::Virtual,
        server: "",
        by_name_only: false,
    }
}

const fn on_server(server: &'static str, open: fn() -> Box<dyn Broker>) -> Entry {
    Entry { clock: Clock::Real, server, ..in_process(open) }
}

/// A broker: a fresh one in the process, or fresh topics and groups on a server.
pub(crate) trait Broker: Send + Sync {
    /// A connection, as a process of its own would have it.
    fn connect(&self) -> Connection;
}

/// A connection, and how to harm it.
pub(crate) struct Connection {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) harm: Arc<dyn Harm>,
}

/// How a trial makes things go wrong on one connection.
pub(crate) trait Harm: Send + Sync {
    /// The process of the connection dies.
    fn kill(&self);
    /// So many publishes on the topic fail, and store nothing.
    fn fail(&self, topic: &str, count: usize);
    /// The next publish on the topic is stored, and its confirmation is lost.
    fn lose_confirmation(&self, topic: &str);
    /// What is published on the topic is stored, and confirmed when what this returns is dropped.
    fn hold_confirmations(&self, topic: &str) -> Box<dyn Send>;
    /// The consumers are asked to give up what they have, as before a rebalance.
    fn revoke(&self);
    /// The consumers lose what they have, as when a channel is closed or a connection cut.
    fn lose(&self);
    /// The process stands still, as after SIGSTOP, until `resume`.
    fn stall(&self);
    fn resume(&self);
}

/// What a broker is like where brokers may differ, as a program sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    pub(crate) unrouted: Unrouted,
    /// Receipts tell a partition.
    pub(crate) partitioned: bool,
    /// Receipts tell a position.
    pub(crate) positions: bool,
    /// A group that is new sees what was published before, unless it says otherwise.
    pub(crate) history: bool,
    /// Values of headers may be any bytes.
    pub(crate) binary_values: bool,
    /// Names of headers may be any text.
    pub(crate) any_names: bool,
    /// A name may be there twice.
    pub(crate) repeated_names: bool,
    /// Names and values of headers may be any bytes.
    pub(crate) any_bytes: bool,
    /// A publish that is repeated within two minutes is stored once.
    pub(crate) compares_ids: bool,
    /// What was settled before a crash is not run again.
    pub(crate) settles_at_once: bool,
    /// Deliveries are leased for so long, and the lease can lapse.
    pub(crate) lease: Option<Duration>,
    /// Two topics that differ in `_` and `.` alone are one.
    pub(crate) names_collide: bool,
    /// The `order` of a group is fixed when it is created.
    pub(crate) order_is_fixed: bool,
    /// A pattern may begin with a wildcard.
    pub(crate) leading_wildcards: bool,
    /// The attempts of what is handed over go along.
    pub(crate) hands_attempts_over: bool,
}

/// What becomes of a message that no group receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unrouted {
    Kept,
    Refused,
    /// Kept where a stream takes the topic.
    NeedsStream,
}

const EVERYTHING: Capabilities = Capabilities {
    patterns: true,
    key_order: true,
    partition_order: true,
    start_earliest: true,
    start_latest: true,
    broadcast: true,
    at_most_once: true,
    crash_guard: true,
    delay: true,
    expiry: true,
    explicit_partition: true,
    longest_hold: None,
    shared: false,
    max_message: 1024 * 1024,
};

const KAFKA_CAN: Capabilities =
    Capabilities { at_most_once: false, delay: false, expiry: false, ..EVERYTHING };

const RABBITMQ_CAN: Capabilities = Capabilities {
    at_most_once: false,
    start_earliest: false,
    delay: false,
    explicit_partition: false,
    longest_hold: Some(Duration::from_secs(30 * 60)),
    max_message: 16 * 1024 * 1024,
    ..EVERYTHING
};

const NATS_CAN: Capabilities = Capabilities { at_most_once: false, explicit_partition: false, ..EVERYTHING };

const PULSAR_CAN: Capabilities = Capabilities {
    at_most_once: false,
    crash_guard: false,
    expiry: false,
    explicit_partition: false,
    max_message: 5 * 1024 * 1024,
    ..EVERYTHING
};

const BARE: Nature = Nature {
    unrouted: Unrouted::Kept,
    partitioned: true,
    positions: true,
    history: true,
    binary_values: true,
    any_names: true,
    repeated_names: true,
    any_bytes: true,
    compares_ids: false,
    settles_at_once: true,
    lease: None,
    names_collide: false,
    order_is_fixed: false,
    leading_wildcards: true,
    hands_attempts_over: true,
};

const KAFKA: Nature = Nature {
    // Its records carry names of any bytes; its client for Rust takes names that are text.
    any_bytes: false,
    settles_at_once: false,
    lease: Some(Duration::from_secs(45)),
    names_collide: true,
    ..BARE
};

const RABBITMQ: Nature = Nature {
    unrouted: Unrouted::Refused,
    partitioned: false,
    positions: false,
    history: false,
    repeated_names: false,
    any_bytes: false,
    order_is_fixed: true,
    hands_attempts_over: false,
    ..BARE
};

const NATS: Nature = Nature {
    unrouted: Unrouted::NeedsStream,
    partitioned: false,
    binary_values: false,
    any_names: false,
    any_bytes: false,
    compares_ids: true,
    settles_at_once: false,
    lease: Some(Duration::from_secs(30)),
    leading_wildcards: false,
    hands_attempts_over: false,
    ..BARE
};

const PULSAR: Nature = Nature {
    unrouted: Unrouted::Refused,
    partitioned: false,
    binary_values: false,
    repeated_names: false,
    any_bytes: false,
    hands_attempts_over: false,
    ..BARE
};

/// A broker in this process that behaves like another one.
struct InMemory {
    options: Memory,
    /// It lives as long as something is connected to it.
    _anchor: MemoryBackend,
}

fn in_memory(profile: Option<Profile>) -> Box<dyn Broker> {
    let options = Memory::from_url(&broker()).unwrap();
    let options = profile.into_iter().fold(options, Memory::profile);
    let anchor = MemoryBackend::connect(&options).unwrap();
    Box::new(InMemory { options, _anchor: anchor })
}

/// The same, used as a server is: by shares, on a clock that is real, and harmed from without.
fn stand_in() -> Box<dyn Broker> {
    let options = Memory::from_url(&broker()).unwrap();
    let anchor = MemoryBackend::connect(&options).unwrap();
    servers::share(
        move || {
            let _ = &anchor;
            Arc::new(MemoryBackend::connect(&options).unwrap())
        },
        Place::Token,
    )
}

impl Broker for InMemory {
    fn connect(&self) -> Connection {
        let connection = MemoryBackend::connect(&self.options).unwrap();
        let harm = Arc::new(InProcess { faults: connection.faults(), connection: connection.clone() });
        Connection { backend: Arc::new(connection), harm }
    }
}

struct InProcess {
    connection: MemoryBackend,
    faults: Faults,
}

impl Harm for InProcess {
    fn kill(&self) {
        self.connection.kill();
    }

    fn fail(&self, topic: &str, count: usize) {
        self.faults.fail(topic, count, ErrorKind::Connect);
    }

    fn lose_confirmation(&self, topic: &str) {
        self.faults.leave_unknown(topic, 1, true);
    }

    fn hold_confirmations(&self, topic: &str) -> Box<dyn Send> {
        let held: Held = self.faults.hold_confirmations(topic);
        Box::new(held)
    }

    fn revoke(&self) {
        self.faults.revoke();
    }

    fn lose(&self) {
        self.faults.lose();
    }

    fn stall(&self) {
        self.faults.stall();
    }

    fn resume(&self) {
        self.faults.resume();
    }
}
