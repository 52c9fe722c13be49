//! The contract between the dispatch and a broker.
//!
//! A backend moves [`Message`]s. It knows no event type and no handler; the dispatch knows no broker. Between them
//! stand four ideas, each chosen so that Kafka, RabbitMQ, NATS JetStream and Pulsar can keep the delivery promises
//! without a special case in the dispatch:
//!
//! * **A [`Token`] instead of an acker object.** A delivery is settled by `(partition, generation, position)`. On
//!   Kafka that is partition, assignment, offset; on RabbitMQ channel incarnation and delivery tag; on NATS the
//!   consumer's incarnation and its *consumer* sequence (the stream sequence falls on a redelivery); on Pulsar the
//!   consumer's incarnation and a counter of its own that leads to ledger, entry and batch index. A token of an
//!   earlier generation is stale, and settling it must have no effect: that is the fence against a late
//!   acknowledgement after a rebalance, a channel close or a consumer reset.
//! * **A [`Floor`] beside the tokens.** Deliveries finish out of order. With every call of [`Consumer::settle`] the
//!   dispatch says, per partition, below which position everything that was delivered is settled. Kafka commits it
//!   (offsets follow the order of delivery, so holes left by compaction do no harm) and keeps the settled tokens
//!   above it as commit metadata; RabbitMQ acknowledges with `multiple` up to it; NATS and Pulsar may ignore it.
//! * **Loss is told in band.** A rebalance, a channel close and a consumer reset arrive through
//!   [`Consumer::poll_batch`], in order with the deliveries, so there is no moment in which the dispatch holds a
//!   delivery whose fate it cannot know. [`Intake::Revoking`] leaves time to finish what runs, [`Intake::Lost`]
//!   does not.
//! * **Nothing is handed back one by one.** There is no `nack`: a negative acknowledgement breaks key order on
//!   RabbitMQ, NATS and Pulsar. What is unsettled when a consumer closes comes back, to whoever is next, in order.
//!
//! Everything that is called once per message is a plain function over a batch; a trait object is crossed once per
//! batch, and a consumer allocates nothing for the dispatch.

use std::{
    fmt,
    future::Future,
    num::NonZero,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use crate::error::Result;
pub use crate::message::{
    Attribute, Defect, Header, Headers, MAX_HEADER_BYTES, MAX_HEADERS, Message, MessageBuilder,
};
pub use crate::policy::{Limits, Order, Start};
#[cfg(feature = "broker")]
pub use crate::secret::Secret;
pub use crate::topic::Topic;

#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(any(feature = "nats", feature = "rabbitmq"))]
mod tls;
#[cfg(feature = "broker")]
mod url;

/// A boxed future that borrows its backend.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed stream.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// A connection to a broker, shared by everything that publishes and consumes through it.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The broker's name as in OpenTelemetry's `messaging.system`: `"memory"`, `"kafka"`.
    fn system(&self) -> &'static str;

    /// What this backend can do. Start-up compares it with what the program needs and refuses what does not fit;
    /// a backend that cannot keep a promise says so here, and is never silently weaker.
    fn capabilities(&self) -> Capabilities;

    /// Makes sure that everything in `plan` exists: topics, groups, and dead-letter topics *before* any delivery.
    ///
    /// After it returns, what is published on a topic of the plan reaches every group of the plan, although nothing
    /// consumes yet: a publish between `connect` and `start` must be safe. On RabbitMQ that means bound queues, on
    /// NATS durable consumers, on Pulsar subscriptions, on Kafka a committed start offset.
    ///
    /// # Errors
    /// `Topology` with every difference at once, `Connect`, `Authentication`, `Permission`.
    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>>;

    /// Publishes one message and answers when the broker has confirmed it.
    ///
    /// The call itself takes the message's place in the order of its key: two calls in sequence, both confirmed,
    /// are stored in that sequence. It never blocks; where the client's window is full the future waits. A backend
    /// that knows the answer at once returns [`Publishing::ready`], which costs no allocation.
    ///
    /// Dropping the future does not take the message back: it may or may not be stored.
    ///
    /// # Errors
    /// `Unroutable`, `TooLarge`, `Permission`, `Full`, `Closed`; `Connect` or `Timeout` with
    /// [`outcome_unknown`](crate::Error::outcome_unknown) where the message may be stored.
    fn publish(&self, outgoing: Outgoing) -> Publishing;

    /// Begins to consume for a subscription that [`provision`](Self::provision) has seen.
    ///
    /// # Errors
    /// `Connect`, `Topology`, `Permission`, `Closed`.
    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>>;

    /// Completes when everything that was published before the call on what `subscription` receives is settled by
    /// its group, by whichever instance.
    ///
    /// # Errors
    /// `Connect`, `Closed`.
    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>>;

    /// Reads what a dead-letter topic holds at the time of the call, oldest first, and consumes nothing.
    ///
    /// # Errors
    /// `Connect`, `Permission`; a topic that does not exist is empty.
    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>>;

    /// Takes messages, as [`browse`](Self::browse) gave them, out of a dead-letter topic, so that it does not give
    /// them again. Where the broker cannot delete (Kafka) the backend notes them and leaves them out.
    ///
    /// # Errors
    /// `Connect`, `Permission`, `Closed`. Messages that are gone already are no error.
    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>>;

    /// Closes the publishing side after everything handed to [`publish`](Self::publish) is answered. Idempotent.
    ///
    /// # Errors
    /// `Connect` where the last confirmations could not be had.
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}

/// One subscription's intake, owned and polled by exactly one worker.
///
/// The worker polls it all the time, also while it takes nothing ([`Room`] is empty then): heartbeats, rebalances
/// and channel closes are noticed by polling. Leases are the consumer's own business: it renews, on a task of its
/// own, the lease of everything that it delivered and that is not settled, for as long as it lives, so that a
/// handler slower than the broker's lease is not overtaken by a redelivery.
pub trait Consumer: fmt::Debug + Send {
    /// Appends deliveries to `into`, at most what `room` allows, and says what happened.
    ///
    /// * Within one `(partition, generation)` positions rise strictly, and come in the broker's order.
    /// * At least one delivery is appended when it answers [`Intake::Deliveries`], and none with any other answer.
    /// * With an empty room it appends nothing, but goes on noticing revocations and losses. A broker that pushes is
    ///   paused (Kafka: `pause`; RabbitMQ: prefetch; NATS: no new pull), never left unpolled.
    /// * From [`Intake::Revoking`] until [`release`](Self::release) nothing of those partitions is delivered. After that,
    ///   or after [`Intake::Lost`], no delivery of that generation appears again.
    /// * After [`Intake::End`] it is not polled again.
    /// * When it returns `Pending` it has arranged for a wake-up.
    ///
    /// # Errors
    /// Only what cannot be healed: a fenced instance, a deleted queue, a permission taken away. It ends the bus
    /// with `Fatal`. A connection that is lost is not an error: the consumer answers [`Intake::Lost`] and reconnects.
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>>;

    /// Takes note that deliveries are settled. It never blocks, never fails, and may be called with any mix of
    /// partitions. The backend makes it durable in its own rhythm (Kafka: every 200 ms or 1,000 completions).
    ///
    /// A token of a generation that is lost or released is ignored. `floors` has one entry for each partition whose
    /// floor changed; a floor never falls within a generation.
    fn settle(&mut self, settled: &[Token], floors: &[Floor]);

    /// Makes durable that this delivery, which is [suspect](Past::suspect), is about to run, before it does: if the
    /// process dies of it, the next instance learns so by [`Past::crashes`]. At most one is recorded at a time, until
    /// it is settled, or given back by [`release`](Self::release) or [`poll_close`](Self::poll_close), or until this is
    /// called with `None`: it survived its attempt, and answers for nothing that comes after.
    ///
    /// # Errors
    /// As for [`poll_batch`](Self::poll_batch).
    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        let _ = (cx, suspect);
        Poll::Ready(Ok(()))
    }

    /// Tells what is known of deliveries that are about to be given back unsettled, so that whoever is next learns it
    /// by [`Delivery::past`]. Called right before [`release`](Self::release) and [`poll_close`](Self::poll_close).
    fn note(&mut self, notes: &[Note]) {
        let _ = notes;
    }

    /// Answers a revocation: every delivery of `partitions` is settled, or will never be.
    ///
    /// The consumer commits what it was told (Kafka: synchronously, before the callback returns), gives the
    /// partitions up and counts their generation up, so that later tokens are stale. Called exactly once for each
    /// [`Intake::Revoking`], with what of it was not lost meanwhile, if anything, and before
    /// [`poll_close`](Self::poll_close).
    fn release(&mut self, partitions: &Partitions);

    /// Makes everything settled durable, and leaves. What is unsettled comes back, to whoever is next, in order: no
    /// nack, no reject, and on RabbitMQ with a single active consumer no polite close while anything is unacknowledged.
    ///
    /// Dropping a consumer without it is a crash: settled deliveries whose commit was not flushed may come again.
    ///
    /// # Errors
    /// `Connect`, `Timeout`: what was settled may come again.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;
}

/// What [`Consumer::poll_batch`] has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Intake {
    /// Deliveries were appended.
    Deliveries,
    /// The partitions go to another instance, which waits for [`Consumer::release`]. Nothing new of them starts;
    /// what runs may finish within the grace of the dispatch (`min(timeout, 10 s)`); the rest is dropped unsettled.
    /// A Kafka rebalance, a Pulsar or NATS take-over that asks first.
    Revoking(Partitions),
    /// The partitions are gone, and their tokens are stale: whatever was unsettled comes again. Futures are dropped
    /// at once, since another instance may already run the same deliveries. `assignment_lost()` on Kafka, a channel
    /// or connection close on RabbitMQ, a consumer reset on NATS, a reconnect on Pulsar. A batch of which one member is
    /// lost is dropped whole; the others run again, with no attempt spent.
    Lost(Partitions),
    /// There will be no more deliveries. Only a finite backend says so; the worker drains and closes.
    End,
}

/// Some partitions of a subscription, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitions {
    /// All that the consumer has.
    All,
    /// These.
    These(Vec<u32>),
}

impl Partitions {
    /// Whether `partition` is among them.
    #[must_use]
    pub fn contains(&self, partition: u32) -> bool {
        match self {
            Self::All => true,
            Self::These(partitions) => partitions.contains(&partition),
        }
    }

    /// Takes out what was lost; `true` if nothing is left.
    pub(crate) fn lose(&mut self, lost: &Self) -> bool {
        match (self, lost) {
            (_, Self::All) => true,
            (Self::All, Self::These(_)) => false,
            (Self::These(these), lost) => {
                these.retain(|partition| !lost.contains(*partition));
                these.is_empty()
            }
        }
    }
}

/// How much a consumer may append. It counts deliveries, so where offsets have holes the gap of a partition may be
/// exceeded by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Deliveries.
    pub count: usize,
    /// Bytes, as [`Message::size`] counts them. One delivery may exceed it, so that a large one gets through.
    pub bytes: usize,
}

impl Room {
    /// No room: only news other than deliveries.
    pub const NONE: Self = Self { count: 0, bytes: 0 };

    /// Whether nothing may be appended.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.count == 0 || self.bytes == 0
    }
}

/// Names one delivery of one consumer, for settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    /// The unit of order and of commits, numbered by the consumer, densely from 0: the dispatch keeps a list by it. A
    /// subscription to several topics numbers all their partitions; a broker without partitions uses 0.
    pub partition: u32,
    /// The incarnation of the assignment, channel or consumer.
    pub generation: u32,
    /// Rises strictly within (partition, generation).
    pub position: u64,
}

/// What is known of a delivery that is given back unsettled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Which delivery.
    pub token: Token,
    /// Attempts that it had, in all.
    pub attempts: u32,
}

/// Everything of a partition that was delivered below `position` is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// As in [`Token`].
    pub partition: u32,
    /// As in [`Token`].
    pub generation: u32,
    /// The lowest delivered and unsettled position; one more than the highest delivered where all is settled.
    pub position: u64,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// For settling it.
    pub token: Token,
    /// The topic it was published on, never a pattern.
    pub topic: Topic,
    /// The message itself.
    pub message: Message,
    /// The partition of the topic, where the broker has partitions.
    pub partition: Option<u32>,
    /// Where it is in the topic.
    pub position: Option<Position>,
    /// What the broker remembers of it. Most deliveries have no past.
    pub past: Option<Box<Past>>,
}

/// What is known of a delivery that is more than a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// Attempts that it had before it was given back; see [`Consumer::note`].
    pub attempts: u32,
    /// A process died while it held this delivery unsettled, so that it may have died of it.
    pub suspect: bool,
    /// How often a process died while this suspect ran; see [`Consumer::poll_record`]. The first death, in which
    /// nobody knew yet, counts as one. A backend that knows only how often it was delivered declares
    /// `crash_guard: false`.
    pub crashes: u32,
    /// How long ago it was stored, by the broker's clock, as far as it tells: at least for messages that were
    /// published with [`SendOptions::expires_in`].
    pub age: Option<Duration>,
    /// How often it was replayed from the dead letters. The dispatch sets this; a backend leaves it 0.
    pub redriven: u32,
}

/// A place in a topic, as the broker counts: a Kafka offset, a stream sequence, a Pulsar message id. Opaque, and
/// ordered within one partition only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(NonZero<u64>, u64);

impl Position {
    /// A position that is one number.
    #[must_use]
    pub const fn new(position: u64) -> Self {
        Self(NonZero::<u64>::MIN, position)
    }

    /// The position that is [displayed](fmt::Display) like this.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some((major, minor)) => Some(Self::pair(major.parse().ok()?, minor.parse().ok()?)),
            None => text.parse().ok().map(Self::new),
        }
    }

    /// A position of two numbers, the first of which counts more, such as Pulsar's ledger and entry.
    #[must_use]
    pub const fn pair(major: u64, minor: u64) -> Self {
        // One more than it is, so that a delivery without a position is no larger.
        Self(NonZero::<u64>::MIN.saturating_add(major), minor)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(NonZero::<u64>::MIN, position) => write!(f, "{position}"),
            Self(major, minor) => write!(f, "{}:{minor}", major.get() - 1),
        }
    }
}

/// A message on its way out.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The exact topic.
    pub topic: Topic,
    /// The message with all attributes.
    pub message: Message,
    /// Who sends it.
    pub sender: Sender,
    /// What was asked for beside; most messages ask for nothing.
    pub options: Option<Box<SendOptions>>,
}

/// What a publish asks for beside being stored. The bus refuses with `Unsupported` what the [`Capabilities`] lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendOptions {
    /// It is delivered so long after it was published, at the earliest.
    pub delay: Option<Duration>,
    /// So long after it was published it is not delivered any more. A request has it always: where the broker cannot
    /// do it, the backend ignores it and tells a delivery's [`age`](Past::age).
    pub expires_in: Option<Duration>,
    /// The partition of the topic, instead of that of its key.
    pub partition: Option<u32>,
}

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The program. It can wait, so a backend may make it wait for room.
    Program,
    /// A handler, whose delivery is unsettled meanwhile. A bound of the backend's own that could make a handler wait
    /// for itself does not apply.
    Handler,
    /// The bus, for a dead letter. As for a handler; and it is never suppressed as a duplicate.
    DeadLetter,
}

/// The broker's answer to a publish: at once, or later.
#[must_use = "a confirmation must be awaited"]
pub struct Publishing(State);

enum State {
    Ready(Option<Result<Confirmation>>),
    Pending(Pin<Box<dyn Future<Output = Result<Confirmation>> + Send>>),
}

impl Publishing {
    /// An answer that is known already.
    pub const fn ready(answer: Result<Confirmation>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    /// An answer that is still to come.
    pub fn pending(answer: impl Future<Output = Result<Confirmation>> + Send + 'static) -> Self {
        Self(State::Pending(Box::pin(answer)))
    }
}

impl Publishing {
    /// The answer, if the backend knew it at once.
    pub(crate) fn now(&mut self) -> Option<Result<Confirmation>> {
        match &mut self.0 {
            State::Ready(answer) => answer.take(),
            State::Pending(_) => None,
        }
    }
}

impl Future for Publishing {
    type Output = Result<Confirmation>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            State::Pending(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if matches!(self.0, State::Ready(_)) { "ready" } else { "pending" };
        f.debug_tuple("Publishing").field(&state).finish()
    }
}

/// Where a confirmed message was stored, as far as the broker tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confirmation {
    /// The partition.
    pub partition: Option<u32>,
    /// The position within it.
    pub position: Option<Position>,
}

/// What a backend can do. Absent means refused at start-up, with the name of what needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Subscriptions by pattern.
    pub patterns: bool,
    /// `order = key`, with several instances too.
    pub key_order: bool,
    /// `order = partition`.
    pub partition_order: bool,
    /// `start = earliest` for a group that is new.
    pub start_earliest: bool,
    /// `start = latest`.
    pub start_latest: bool,
    /// Subscriptions of one [`instance`](Subscription::instance): `broadcast`, and the replies to requests.
    pub broadcast: bool,
    /// `delivery = at_most_once`: what [`Consumer::settle`] returned from never comes again.
    pub at_most_once: bool,
    /// Deliveries tell of the processes that died of them: [`Past::suspect`] and [`Past::crashes`].
    pub crash_guard: bool,
    /// [`SendOptions::delay`].
    pub delay: bool,
    /// [`SendOptions::expires_in`].
    pub expiry: bool,
    /// [`SendOptions::partition`].
    pub explicit_partition: bool,
    /// How long a delivery may be held unsettled, where the broker has a bound that nothing extends. A handler whose
    /// attempts may take more than half of it is refused.
    pub longest_hold: Option<Duration>,
    /// Other processes can share it, so that what one process knows is not all there is to know.
    pub shared: bool,
    /// The largest message, headers and key included. An event may have 16 KiB less, so that its dead letter fits.
    pub max_message: usize,
}

/// Everything a program needs from the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The service's name.
    pub service: String,
    /// What it consumes.
    pub subscriptions: Vec<Subscription>,
    /// The topics it publishes on, sorted, without its dead-letter topics. One that is known only when an event is
    /// published, since a field stands in it, is a pattern here.
    pub publishes: Vec<Topic>,
    /// Its dead-letter topics, sorted. Nothing in them is ever evicted or expires, but by
    /// [`discard`](Backend::discard).
    pub dead_letters: Vec<Topic>,
}

/// A group's interest in a topic or pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The group, one token. All instances with the same group and filter share the work.
    pub group: String,
    /// An exact topic, or a pattern.
    pub filter: Topic,
    /// The order that must hold.
    pub order: Order,
    /// Where a group that is new begins; `None` is the broker's nature: its history where it keeps one.
    pub start: Option<Start>,
    /// How much may be taken and not settled.
    pub limits: Limits,
    /// Set for a subscription that only this instance has: it receives everything from its provisioning on, whatever
    /// other instances receive, outlives a reconnect, and leaves nothing behind: it is gone when its consumer is
    /// closed, and at most ten minutes after a crash. Unique, of `[a-z0-9]`, at most 32 characters. The backend
    /// derives the names of what it creates from group, filter and instance.
    pub instance: Option<String>,
}
