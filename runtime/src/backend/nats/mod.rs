//! NATS JetStream: what `nats://` and `tls://` connect to.
//!
//! # What is on the server
//! | name | what it is |
//! |---|---|
//! | stream `shop` | every topic that begins with the token `shop`: its subjects are `shop`, `shop.>` and `$TYPEBUS.later.shop.>`, where messages wait that were published with a delay. Limits retention without limits, in files, with a duplicate window of two minutes |
//! | stream `dead=GROUP` | the dead letters of a group, `dead.GROUP`; its replays are in `dead=GROUP=redrive` |
//! | stream `reply` | replies to requests, for ten minutes |
//! | stream `typebus=state` | what the crash guard remembers, one message for each consumer, for two weeks |
//! | consumer `GROUP=FILTER` | a durable pull consumer for each group and topic or pattern, where `=` stands for `.`, `+` for `*` and `~` for `>`; with a pinned client unless `order = none` |
//! | consumer `GROUP=FILTER$INSTANCE` | the consumer of one instance (broadcast, replies), which goes ten minutes after it |
//!
//! Version 2.14 is the oldest that has all of it, and an older one is refused. A stream of others' is used where [`Nats::streams`] names it.
//!
//! # What it keeps, and what it does not
//! * A message is confirmed when its stream has stored it, with [`Nats::replicas`] a majority of them. That is in the memory of
//!   the operating system; how often it goes to the disk is the server's `sync_interval`. Without a stream it is
//!   `Unroutable`. Without a group it is kept.
//! * Where the limits of a stream of others' delete what a group has not read, the group ends with `Fatal`, or goes on and
//!   logs it with [`Nats::on_gap`] `= skip`. A purge cannot be seen: the server moves the group along.
//! * A repeat of the same event (source, type and id) within the duplicate window is confirmed and not stored. Dead
//!   letters and replays are never taken for repeats.
//! * Order holds while one client is pinned; the others stand by, and one takes over when it closes, or is silent for
//!   [`Nats::pin_timeout`]. Whoever takes over resets the consumer to its ack floor: everything that was delivered from there on
//!   comes again, in order, what was settled above it too. A client that stands still for longer than that may overlap
//!   with the next one.
//! * A group that the limits of its stream overtook (`max_age`, `max_msgs`, ...) stops when it begins, with a `Fatal` error,
//!   or goes on and logs it; [`Nats::on_gap`] says which. A purge, and what has expired, is no such thing.
//! * Every subscription has a connection of its own, so that a message that the client cannot read
//!   ([below](#what-others-write)) harms no other. All publishes share one more, and questions another.
//! * A delivery is leased for [`Nats::ack_wait`], which is renewed each third of it for as long as it is held.
//!
//! # What others write
//! A message with a header that is not UTF-8 ends the client's connection. After three such ends without progress the
//! subscription takes one message at a time, reads the one that it cannot get as it is stored, and hands it out.

mod caught_up;
mod check;
mod config;
mod connect;
mod consume;
mod denied;
mod drive;
mod failure;
mod gap;
mod journal;
mod json;
mod letters;
mod names;
mod place;
mod publish;
mod receive;
mod send;
mod sources;
mod take;
mod topology;
mod wire;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, SecondsFormat};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use uuid::Uuid;

pub use self::config::{Nats, OnGap, Provision};
use self::{
    connect::Link,
    consume::NatsConsumer,
    failure::{closed, error},
    publish::{Job, Order, Publisher},
};
use super::{
    Attribute, Backend, BoxFuture, BoxStream, Capabilities, Confirmation, Consumer, Delivery, Message,
    Outgoing, Plan, Publishing, SendOptions, Sender, Subscription, Topic,
};
use crate::{
    duration::FOR_EVER,
    error::{Error, ErrorKind, Result},
    topic::is_pattern,
};

const SYSTEM: &str = "nats";

impl Nats {
    /// Opens what these options say; nothing is contacted yet.
    pub(crate) fn open(self) -> Result<Arc<dyn Backend>> {
        self.check()?;
        Ok(Arc::new(NatsBackend(Arc::new(Core {
            options: Arc::new(self),
            publisher: Mutex::new(None),
            control: tokio::sync::Mutex::new(None),
            is_closed: AtomicBool::new(false),
        }))))
    }
}

struct NatsBackend(Arc<Core>);

/// What the parts of one backend share.
struct Core {
    options: Arc<Nats>,
    publisher: Mutex<Option<mpsc::UnboundedSender<Order>>>,
    /// For questions.
    control: tokio::sync::Mutex<Option<Arc<Link>>>,
    is_closed: AtomicBool,
}

impl Core {
    fn open_for(&self, operation: &'static str) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) { Err(closed(operation)) } else { Ok(()) }
    }

    /// The connection for questions.
    async fn control(&self) -> Result<Arc<Link>> {
        let mut control = self.control.lock().await;
        if let Some(link) = &*control {
            return Ok(Arc::clone(link));
        }
        let link = Arc::new(Link::open(&self.options, "control").await?);
        *control = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Hands a message to the publisher, which it reaches in the order of the calls.
    fn publish(&self, outgoing: Outgoing) -> Result<oneshot::Receiver<Result<Confirmation>>> {
        self.open_for("publish")?;
        let Outgoing { topic, message, sender, options } = outgoing;
        let (size, limit) = (message.size(), self.options.max_message);
        if size > limit {
            return Err(publish::too_large(&topic, size, limit));
        }
        if topic.is_empty() || is_pattern(&topic) {
            let text = format!("`{topic}` is a pattern; publish on an exact topic");
            return Err(error(ErrorKind::InvalidTopic, "publish", text));
        }
        let options = options.as_deref().copied().unwrap_or_default();
        if options.partition.is_some() {
            let text = format!("this broker cannot do `partition` (topic `{topic}`); leave it out");
            return Err(error(ErrorKind::Unsupported, "publish", text));
        }
        let id = identity(&topic, &message, sender);
        let (subject, extra) = addressed(&topic, id, &options);
        let headers = publish::headers(&message, sender, &extra)?;
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.options.publish_timeout.min(FOR_EVER);
        let job =
            Job { subject, message, sender, extra, headers: Some(headers), deadline, answer, is_sent: false };
        self.order(Order::Publish(Box::new(job)));
        Ok(answered)
    }

    fn order(&self, order: Order) {
        let mut publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match &*publisher {
            Some(sender) => match sender.send(order) {
                Ok(()) => return,
                Err(refused) => refused.0,
            },
            None => order,
        };
        // There was none yet, or its runtime is gone.
        if Handle::try_current().is_ok() {
            let (sender, orders) = mpsc::unbounded_channel();
            let _ = sender.send(refused);
            *publisher = Some(sender);
            connect::run(Publisher::new(Arc::clone(&self.options), orders).run());
        }
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(publisher) = publisher {
            let (answer, answered) = oneshot::channel();
            let _ = publisher.send(Order::Close(answer));
            let limit = self.options.publish_timeout + self.options.request_timeout;
            let _ = timeout(limit, answered).await;
        }
        self.control.lock().await.take();
    }

    /// The stream of a topic that has one.
    fn stream_of(&self, topic: &Topic) -> Option<String> {
        sources::sources(&self.options, topic).into_iter().next().map(|source| source.stream)
    }
}

/// What makes a message the same as another: role, source, name and version, and id. Dead letters and what goes to their
/// topics, and what has no id, are like no other.
fn identity(topic: &Topic, message: &Message, sender: Sender) -> Uuid {
    let mut identity = Vec::new();
    for attribute in [Attribute::Source, Attribute::Type, Attribute::Id] {
        let Some(value) = message.attribute(attribute) else { return nonce() };
        identity.extend_from_slice(&value.len().to_le_bytes());
        identity.extend_from_slice(value);
    }
    match sender {
        Sender::DeadLetter => nonce(),
        _ if names::is_dead(topic) => nonce(),
        Sender::Program | Sender::Handler => Uuid::new_v5(&EVENTS, &identity),
    }
}

/// How much of it has passed, by our own clock.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What is like no other.
fn nonce() -> Uuid {
    Uuid::from_u128(fastrand::u128(..))
}

/// The namespace of the ids of events.
const EVENTS: Uuid = Uuid::from_bytes(*b"typebus nats id.");

/// Where a message goes, and what it says to the server.
fn addressed(topic: &Topic, id: Uuid, options: &SendOptions) -> (String, Vec<(&'static str, String)>) {
    let mut extra = vec![("Nats-Msg-Id", id.simple().to_string())];
    let delay = options.delay.unwrap_or_default();
    let mut whole = None;
    if let Some(expires) = options.expires_in {
        let rest = expires.saturating_sub(delay);
        extra.push((wire::EXPIRES, rest.as_millis().to_string()));
        let seconds = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
        whole = Some(format!("{}s", seconds.max(1)));
    }
    let Some(delay) = options.delay else {
        extra.extend(whole.map(|whole| ("Nats-TTL", whole)));
        return (topic.as_str().to_owned(), extra);
    };
    let due = since_epoch() + delay.min(FOR_EVER);
    let due = DateTime::from_timestamp_nanos(i64::try_from(due.as_nanos()).unwrap_or(i64::MAX));
    extra.push(("Nats-Schedule", format!("@at {}", due.to_rfc3339_opts(SecondsFormat::Nanos, true))));
    extra.push(("Nats-Schedule-Target", topic.as_str().to_owned()));
    extra.push((wire::DELAYED, delay.as_millis().to_string()));
    extra.extend(whole.map(|whole| ("Nats-Schedule-TTL", whole)));
    (names::later(topic, &id.simple().to_string()), extra)
}

async fn answer(answered: oneshot::Receiver<Result<Confirmation>>) -> Result<Confirmation> {
    answered.await.unwrap_or_else(|_| Err(closed("publish").with_unknown_outcome()))
}

impl Backend for NatsBackend {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            patterns: true,
            key_order: true,
            partition_order: true,
            start_earliest: true,
            start_latest: true,
            broadcast: true,
            at_most_once: false,
            crash_guard: true,
            delay: true,
            expiry: true,
            explicit_partition: false,
            longest_hold: None,
            shared: true,
            max_message: self.0.options.max_message,
        }
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.open_for("provision")?;
            let link = self.0.control().await?;
            topology::provision(&self.0.options, &link, plan).await
        })
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        match self.0.publish(outgoing) {
            Ok(answered) => Publishing::pending(answer(answered)),
            Err(refused) => Publishing::ready(Err(refused)),
        }
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            self.0.open_for("subscribe")?;
            let consumer = NatsConsumer::open(&self.0, subscription).await?;
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.open_for("catch up")?;
            caught_up::wait(&self.0, subscription).await
        })
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        Box::pin(async move {
            let link = self.0.control().await?;
            let stream = self.0.stream_of(topic).unwrap_or_default();
            letters::browse(&link, &stream, topic, self.0.options.request_timeout).await
        })
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.open_for("discard")?;
            let link = self.0.control().await?;
            let stream = self.0.stream_of(topic).unwrap_or_default();
            letters::discard(&link, &stream, letters, self.0.options.request_timeout).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0.close().await;
            Ok(())
        })
    }
}

impl fmt::Debug for NatsBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBackend")
            .field("options", &self.0.options)
            .field("closed", &self.0.is_closed)
            .finish_non_exhaustive()
    }
}

fn not_provisioned(operation: &'static str, Subscription { group, filter, .. }: &Subscription) -> Error {
    let text = format!(
        "group `{group}` on `{filter}` has no consumer here; provision a plan with this subscription first"
    );
    error(ErrorKind::Topology, operation, text)
}
