//! The broker in the process: what `memory:` and `memory:NAME` connect to.
//!
//! It stores and keeps like Kafka, so that a program that works here finds the same promises there:
//!
//! * A topic has partitions (4, see [`Memory::partitions`]). A key always goes to the same one, messages without a
//!   key go to each in turn, and within one partition messages have positions 0, 1, 2, … in the order of publishing.
//! * A group has a cursor per partition, below which everything is settled, and the set of what is settled above it.
//!   Both belong to the broker, so that the instances of a service share the work, and the next one goes on where
//!   the last one stopped: what was unsettled comes again, in order, and what was settled does not.
//! * A group receives what was published before anything consumed. A group that is new begins at the oldest message
//!   that is kept, or with [`Start::Latest`](super::Start::Latest) at what is published after its creation.
//! * A pattern receives every matching topic, also those that come later, but never a topic that begins with the
//!   reserved tokens `dead` and `reply`.
//! * A topic that is unknown is created by the first message.
//! * A group of one [`instance`](super::Subscription::instance) begins at the latest message. It goes when its consumer
//!   is closed, or ten minutes after it crashed or should have come, and holds nothing up from then on.
//! * A message may ask for a partition, a delay and an expiry. A delayed one takes its place in the order when it
//!   becomes visible. One that expires counts as settled. What was published with either tells its age.
//! * A consumer that is dropped without being closed crashed, and [`MemoryBackend::kill`] crashes all consumers of a
//!   connection: what they held comes again as [suspect](super::Past::suspect).
//!
//! # Profiles
//! With a [`Profile`] it behaves like another broker does behind typebus, so that a test without a server sees what its
//! program will see there: `memory:shop?profile=rabbitmq`, or [`Memory::profile`]. Time is tokio's, which a test pauses.
//!
//! | | bare | Kafka | RabbitMQ | NATS | Pulsar |
//! |---|---|---|---|---|---|
//! | partitions, chosen too | yes | yes | no | no | no |
//! | position | offset | offset | none | sequence in the stream | ledger and entry |
//! | a settlement is durable | at once | every 200 ms or 1,000, on release and close | at once | up to the floor | at once |
//! | after a crash or take-over | what is unsettled | and what was settled since the commit | what is unsettled | everything from the floor on | what is unsettled |
//! | [crash guard](super::Capabilities::crash_guard) | yes | yes | yes | yes | no |
//! | `order = key` is shared by | partitions | partitions | one active member | one active member | keys |
//! | `order = partition` | partitions | partitions | one active member | one active member | one active member |
//! | `order = none` | partitions | partitions | competing | competing | competing |
//! | a late group sees history | yes | yes | no | yes | yes |
//! | without a group | kept | kept | `Unroutable` | kept in a stream, else `Unroutable` | `Unroutable` |
//! | headers | anything | names of text, without NUL | each name once, as text | visible ASCII names, text values; names in no order | each name once; text |
//! | the same id within 2 min | stored | stored | stored | confirmed and not stored, but for dead letters | stored |
//! | a lease | endless | 45 s, renewed | 30 min, not renewed | 30 s, renewed | endless |
//! | `delay` / `expires_in` | yes / yes | no / age told | no / yes | yes / yes | yes / age told |
//! | `at_most_once` | yes | no | no | no | no |
//! | largest message | 1 MiB | 1 MiB | 16 MiB | 1 MiB | 5 MiB |
//! | start-up refuses | | topics equal after `_` → `.` | another `order` of an existing group | patterns that begin with a wildcard | |
//!
//! RabbitMQ and Pulsar keep dead letters of a plan without a group, and with RabbitMQ a handler is refused whose
//! attempts may hold a delivery for more than 15 minutes. A stream is created for each first token in a plan. A
//! consumer renews its lease whenever it is polled, and wakes itself for that; [`Faults::stall`] is how it fails to.
//!
//! # Faults
//! [`MemoryBackend::faults`] makes publishes fail, with a known or an unknown outcome, holds confirmations, takes
//! partitions away and lets consumers hang, on one connection.
//!
//! # What is kept, and limits
//! Nothing outlives the process. `memory:` is a broker of its own for each connect; `memory:NAME` is shared by name
//! and lives as long as something is connected to it. Topics and groups are never removed, but for groups of one
//! instance.
//!
//! A topic holds 65,536 messages or 64 MiB, whichever is reached first ([`Memory::capacity`],
//! [`Memory::capacity_bytes`]). Then the oldest messages that every group of the topic has settled give way; where
//! there is no group, the oldest. Dead letters never give way. When nothing may, a publish of the program waits
//! for its turn, at most 30 s ([`Memory::full_after`]), and fails with [`ErrorKind::Full`]. Handlers and
//! dead letters pass the bound, since a handler that waited for room on its own topic would wait for itself. A topic
//! that is empty takes one message of any size up to [`Memory::max_message`].
//!
//! # Inside
//! One mutex per broker guards everything; it is held for one message, or one batch, and never while a waker runs.
//! The only other locks are those of the registry of names and of a connection's faults, which are never held together
//! with a broker's. What nearly no message asks for and nearly no broker is stands in `odd.rs`, `later.rs`, `crash.rs` and
//! `pool.rs`; [`profile.rs`](Profile) has the table that they ask.

mod assignment;
mod broker;
mod browse;
mod caught_up;
mod config;
mod consume;
mod crash;
mod faults;
mod floor;
mod group;
mod instance;
mod later;
mod log;
mod member;
mod odd;
mod pool;
mod profile;
mod progress;
mod provision;
mod publish;
mod streams;
#[cfg(test)]
mod tests;
mod wakes;
mod wire;

use std::{fmt, sync::Arc};

use self::{broker::Broker, consume::MemoryConsumer, publish::Door};
pub use self::{
    config::Memory,
    faults::{Faults, Held},
    profile::Profile,
};
use super::{
    Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, Outgoing, Plan, Publishing,
    Subscription, Topic,
};
use crate::error::{Error, ErrorKind, Result};

/// A connection to a broker in this process. Clones are the same connection.
#[derive(Clone)]
pub struct MemoryBackend(Arc<Connection>);

struct Connection {
    broker: Arc<Broker>,
    door: Door,
}

impl MemoryBackend {
    /// Connects: to the broker of the given name, which the first to connect creates, or to a new one without name.
    ///
    /// # Errors
    /// `Config` with every option that is not valid, or that differs from those of the broker of that name.
    pub fn connect(options: &Memory) -> Result<Self> {
        let (broker, door) = (broker::open(options)?, Door::new());
        if options.profile.is_some() {
            door.guard();
        }
        Ok(Self(Arc::new(Connection { broker, door })))
    }

    /// The process of this connection dies, as far as others can tell. Its consumers own nothing any more, and fail with
    /// `Closed`, which ends their bus with `Fatal`; what they held unsettled, and what was settled but not durable, goes
    /// to others, with what is known of it in [`Past`](super::Past). Publishes that wait fail with `Closed`, and those
    /// whose confirmation is held are [unknown](Error::outcome_unknown).
    ///
    /// ```
    /// use typebus::backend::memory::{Memory, MemoryBackend};
    ///
    /// # fn main() -> typebus::Result<()> {
    /// let connection = MemoryBackend::connect(&Memory::named("shop"))?;
    /// // A bus connects to a clone: `Bus::<Billing>::builder().connect(connection.clone())`.
    /// connection.kill();
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill(&self) {
        let Connection { broker, door } = &*self.0;
        let (watchers, waiting) = broker.run(|state, wakes| {
            door.kill();
            state.kill(door.id(), wakes);
            (state.forget_watchers(door.id()), state.give_up(door.id(), wakes))
        });
        drop(watchers);
        waiting.into_iter().for_each(|waiting| waiting.answer(Err(gone("publish"))));
        door.faults.close();
    }

    /// Makes things go wrong on this connection, for tests.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::of(self.clone())
    }

    fn open_for(&self, operation: &'static str) -> Result<()> {
        match &self.0.door {
            door if door.is_killed() => Err(gone(operation)),
            door if door.is_closed() => Err(closed(operation)),
            _ => Ok(()),
        }
    }
}

impl Backend for MemoryBackend {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self) -> Capabilities {
        let options = self.0.broker.options();
        options.nature().capabilities(options.max_message)
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.open_for("provision")?;
            self.0.broker.run(|state, wakes| state.provision(plan, wakes))
        })
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        self.0.door.publish(&self.0.broker, outgoing)
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            self.open_for("subscribe")?;
            Ok(Box::new(MemoryConsumer::join(&self.0.broker, &self.0.door, subscription)?)
                as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(caught_up::wait(&self.0.broker, &self.0.door, subscription))
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        Box::pin(async move { Ok(browse::snapshot(&self.0.broker, topic)) })
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.open_for("discard")?;
            browse::discard(&self.0.broker, topic, letters);
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0.door.close(&self.0.broker).await;
            Ok(())
        })
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend")
            .field("options", self.0.broker.options())
            .field("closed", &self.0.door.is_closed())
            .finish_non_exhaustive()
    }
}

const SYSTEM: &str = "memory";

fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, operation, message.into()).at(SYSTEM)
}

fn closed(operation: &'static str) -> Error {
    error(ErrorKind::Closed, operation, "this connection is closed; connect again")
}

fn gone(operation: &'static str) -> Error {
    error(ErrorKind::Closed, operation, "this connection was killed; connect again")
}

fn not_provisioned(operation: &'static str, Subscription { group, filter, .. }: &Subscription) -> Error {
    error(
        ErrorKind::Topology,
        operation,
        format!(
            "group `{group}` on `{filter}` does not exist here; provision a plan with this subscription first"
        ),
    )
}

/// A `u64` as an index; everything that is indexed fits into memory, so it never saturates.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
