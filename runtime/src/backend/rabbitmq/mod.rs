//! RabbitMQ: what `amqp://` and `amqps://` connect to.
//!
//! # What is on the server
//! With the default [`exchange`](RabbitMq::exchange) `typebus`:
//!
//! | name | what it is |
//! |---|---|
//! | `typebus` | a durable topic exchange; a topic is its routing key |
//! | `typebus.dead`, `typebus.reply` | the same for the topics of the bus itself, out of the reach of patterns |
//! | `typebus/GROUP/FILTER` | a quorum queue for each group and topic or pattern, bound by it; with a single active consumer unless `order = none` |
//! | `typebus/GROUP/FILTER@INSTANCE` | a queue for one instance (broadcast, replies), which expires ten minutes after it |
//! | `typebus/!letters/dead.GROUP` | a quorum queue with the dead letters of a group |
//! | `typebus/GROUP/!backstop` | what the server itself gave up after [`delivery_limit`](RabbitMq::delivery_limit) returns: what the client cannot even read, for an operator to look at |
//! | `typebus/GROUP/!journal` | a stream in which the instances note who runs what, for the crash guard |
//! | `typebus.backstop`, `typebus.control` | the ways to the backstop, and to competing consumers, for `caught_up` |
//!
//! Version 3.10 is the oldest that has all of it.
//!
//! # What it keeps, and what it does not
//! * A message is confirmed when every quorum queue that receives it has it on the disks of a majority. One that no queue
//!   receives is `Unroutable`. A group that is new begins when its queue is made: RabbitMQ keeps no history.
//! * Order holds while one consumer is active, the others stand by. When one closes or dies, its socket is cut, and the
//!   server hands what was unacknowledged to the next, in order. A polite close would not.
//! * Every subscription has a connection of its own, so that cutting one, or a header that kills the client's connection
//!   ([below](#what-others-write)), harms no other. All publishes share one more, which the server may block, and questions
//!   another.
//! * The client's own recovery is off: connections, channels and consumers are rebuilt here, as a new generation.
//! * A delivery may be held for the server's `consumer_timeout`, 30 minutes, which nothing extends.
//! * Headers are a table: each name once, values of any bytes, in no order.
//! * There is no delay and no choice of a partition. The queue of an ordered subscription is not split by key: one instance
//!   at a time works on it, and `order` cannot be changed once the queue is there.
//!
//! # What others write
//! A header whose *name* is not UTF-8 ends the client's connection. After two such ends without an acknowledgement the
//! subscription takes one message at a time, until the server's delivery limit takes the poison away.

mod caught_up;
mod config;
mod connect;
mod consume;
mod failure;
mod incarnation;
mod journal;
mod letters;
mod names;
mod publish;
mod tags;
mod topology;
mod wire;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use lapin::{BasicProperties, types::ShortString};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout,
};

pub use self::config::{Auth, Provision, RabbitMq};
use self::{
    connect::Link,
    consume::RabbitConsumer,
    failure::{closed, error},
    names::{Names, short},
    publish::{Job, Order, Publisher},
};
use super::{
    Backend, BoxFuture, BoxStream, Capabilities, Confirmation, Consumer, Delivery, Message, MessageBuilder,
    Outgoing, Plan, Publishing, Subscription, Topic,
};
use crate::{
    error::{Error, ErrorKind, Result},
    topic::is_pattern,
};

const SYSTEM: &str = "rabbitmq";

impl RabbitMq {
    /// Opens what these options say; nothing is contacted yet.
    pub(crate) fn open(self) -> Result<Arc<dyn Backend>> {
        self.check()?;
        let names = Names::new(&self.exchange);
        Ok(Arc::new(RabbitBackend(Arc::new(Core {
            options: Arc::new(self),
            names,
            publisher: Mutex::new(None),
            control: tokio::sync::Mutex::new(None),
            letters: tokio::sync::Mutex::new(()),
            is_closed: AtomicBool::new(false),
        }))))
    }
}

struct RabbitBackend(Arc<Core>);

/// What the parts of one backend share.
struct Core {
    options: Arc<RabbitMq>,
    names: Names,
    publisher: Mutex<Option<mpsc::UnboundedSender<Order>>>,
    /// For questions and declarations.
    control: tokio::sync::Mutex<Option<Arc<Link>>>,
    /// One at a time reads dead letters, since they are away meanwhile.
    letters: tokio::sync::Mutex<()>,
    is_closed: AtomicBool,
}

impl Core {
    fn open_for(&self, operation: &'static str) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) { Err(closed(operation)) } else { Ok(()) }
    }

    /// The connection for questions.
    async fn control(&self) -> Result<Arc<Link>> {
        let mut control = self.control.lock().await;
        if let Some(link) = control.as_ref().filter(|link| link.is_up()) {
            return Ok(Arc::clone(link));
        }
        let link = Arc::new(Link::open(&self.options, "control").await?);
        *control = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Hands a message to the publisher, which it reaches in the order of the calls.
    fn send(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        message: Message,
        properties: BasicProperties,
    ) -> oneshot::Receiver<Result<Confirmation>> {
        let (answer, answered) = oneshot::channel();
        let (expiration, properties) = (properties.expiration().clone(), Some(properties));
        let job = Box::new(Job { exchange, routing_key, message, properties, expiration, answer });
        let mut publisher = lock(&self.publisher);
        let Err(refused) = (match &*publisher {
            Some(sender) => sender.send(Order::Publish(job)),
            None => Err(mpsc::error::SendError(Order::Publish(job))),
        }) else {
            return answered;
        };
        // There was none yet, or its runtime is gone.
        if let Ok(runtime) = Handle::try_current() {
            let (sender, orders) = mpsc::unbounded_channel();
            let _ = sender.send(refused.0);
            *publisher = Some(sender);
            // The only task of this backend. It ends when the backend is closed or dropped.
            runtime.spawn(Publisher::new(Arc::clone(&self.options), orders).run());
        }
        answered
    }

    /// Publishes something of the backend's own to a queue.
    async fn tell(&self, queue: ShortString, message: Message, expires: Option<&str>) -> Result<()> {
        let mut properties = wire::properties(&message)?;
        if let Some(expires) = expires {
            properties = properties.with_expiration(short(expires));
        }
        answer(self.send(short(""), queue, message, properties)).await.map(|_| ())
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let publisher = lock(&self.publisher).take();
        if let Some(publisher) = publisher {
            let (answer, answered) = oneshot::channel();
            let _ = publisher.send(Order::Close(answer));
            let limit = self.options.publish_timeout + self.options.request_timeout;
            let _ = timeout(limit, answered).await;
        }
        let control = self.control.lock().await.take();
        if let Some(link) = control {
            link.close(self.options.request_timeout).await;
        }
    }
}

async fn answer(answered: oneshot::Receiver<Result<Confirmation>>) -> Result<Confirmation> {
    answered.await.unwrap_or_else(|_| Err(closed("publish").with_unknown_outcome()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message that is nothing but text.
fn note(text: &str) -> Message {
    MessageBuilder::with_payload(text.as_bytes()).build()
}

impl Backend for RabbitBackend {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            patterns: true,
            key_order: true,
            partition_order: true,
            start_earliest: false,
            start_latest: true,
            broadcast: true,
            at_most_once: false,
            crash_guard: true,
            delay: false,
            expiry: true,
            explicit_partition: false,
            longest_hold: Some(self.0.options.consumer_timeout),
            shared: true,
            max_message: self.0.options.max_message,
        }
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.open_for("provision")?;
            topology::provision(&self.0, plan).await
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
            let consumer = RabbitConsumer::open(Arc::clone(&self.0), subscription.clone()).await?;
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
        Box::pin(async move { letters::browse(&self.0, topic).await })
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.open_for("discard")?;
            letters::discard(&self.0, topic, letters).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0.close().await;
            Ok(())
        })
    }
}

impl Core {
    fn publish(
        &self,
        Outgoing { topic, message, options, .. }: Outgoing,
    ) -> Result<oneshot::Receiver<Result<Confirmation>>> {
        self.open_for("publish")?;
        let (size, limit) = (message.size(), self.options.max_message);
        if size > limit {
            let text = format!(
                "the message for `{topic}` has {size} bytes, and the broker takes {limit} (option `max_message`)"
            );
            return Err(error(ErrorKind::TooLarge, "publish", text));
        }
        if topic.is_empty() || topic.len() > 255 || is_pattern(&topic) {
            let text = format!("`{topic}` is no exact topic; publish on one without `*` and `>`");
            return Err(error(ErrorKind::InvalidTopic, "publish", text));
        }
        let mut properties = wire::properties(&message)?;
        let options = options.as_deref().copied().unwrap_or_default();
        if options.delay.is_some() || options.partition.is_some() {
            let text = "RabbitMQ has neither delays nor partitions; leave them out";
            return Err(error(ErrorKind::Unsupported, "publish", text));
        }
        if let Some(expires) = options.expires_in {
            properties = properties.with_expiration(short(&expires.as_millis().to_string()));
        }
        Ok(self.send(self.names.exchange_of(&topic), short(&topic), message, properties))
    }
}

impl fmt::Debug for RabbitBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitBackend")
            .field("options", &self.0.options)
            .field("closed", &self.0.is_closed)
            .finish_non_exhaustive()
    }
}

fn not_provisioned(operation: &'static str, Subscription { group, filter, .. }: &Subscription) -> Error {
    let text = format!(
        "group `{group}` on `{filter}` has no queue here; provision a plan with this subscription first"
    );
    error(ErrorKind::Topology, operation, text)
}
