//! Kafka, by librdkafka: what `kafka://` and `kafkas://` connect to.
//!
//! # What the broker keeps
//! * A message is confirmed when all replicas that are in sync have it (`acks=all`), which is in their memory: a disk has it
//!   later. A repeat by the client itself is stored once.
//! * A topic has partitions. A key is in the partition in which Java's clients would put it; messages without a key are
//!   spread. Positions are offsets.
//! * A subscription is a consumer group of its own, named `GROUP.FILTER`, so that a rebalance of one does not stop the
//!   others. Where a new group begins is committed when it is provisioned; a partition that comes later is read from
//!   its beginning.
//! * A commit has beside the offset, in its metadata, what is finished above it, what is known of suspects, and the
//!   attempts of what was handed over. It is made every 200 ms or 1,000 settlements, and when partitions are given up;
//!   after a crash, what was settled since comes again.
//! * A message that no group reads is kept as long as the topic keeps it. A topic that is missing is created by the
//!   first message, or with [`Provision::Verify`] and [`Provision::Trust`] the message is `Unroutable`.
//! * Dead-letter topics have one partition, and keep everything. Kafka deletes nothing from the middle, so what is
//!   discarded is noted in `dead.discarded-letters.GROUP`, and left out.
//! * Subscriptions of one instance are in no group and commit nothing. The replies to all instances of a service are in
//!   one topic, `reply.SERVICE`, for ten minutes.
//!
//! # What it does not
//! It has no delay, no expiry of single messages (it tells their age, by its own clock), no `at_most_once` and no
//! `exactly_once`. A member that is silent for longer than [`Kafka::session_timeout`] may overlap with the next one.
//! Partitions that are added to a topic move keys, and their order is lost in that moment. Names of
//! headers are UTF-8: librdkafka's binding for Rust can neither write others nor show them, so one that arrives has the
//! name `0xff` and no value, which makes a dead letter of its message.
//!
//! # Threads
//! Everything that blocks in librdkafka runs on threads of its own: one for each consumer, which polls it all the time,
//! one that sends what had to wait, and one for each question that is asked.

mod block;
mod caught_up;
mod check;
mod clock;
mod commit;
mod config;
mod connect;
mod consume;
mod errors;
mod instance;
mod ledger;
mod letters;
mod names;
mod patience;
mod poll;
mod publish;
mod rebalance;
mod record;
mod reports;
mod scratch;
mod share;
mod topology;
mod wakers;
mod window;
mod wire;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use rdkafka::{
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, Consumer as _},
    producer::Producer as _,
};

pub use self::config::{Compression, Kafka, OnGap, Protocol, Provision, Sasl};
use self::{
    clock::Clock,
    connect::{created, off, spawn},
    consume::KafkaConsumer,
    errors::{closed, error, of_client},
    instance::Instance,
    names::{expression, group_of},
    poll::{Poller, Topics},
    publish::Outbox,
    rebalance::Watch,
    share::Share,
    topology::Starts,
};
use crate::{
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, MessageBuilder, Outgoing, Plan,
        Publishing, Subscription, Topic,
    },
    error::{ErrorKind, Result},
};

const SYSTEM: &str = "kafka";
/// The most messages that wait for one worker.
const BUFFER: usize = 4_096;

impl Kafka {
    /// Opens what these options say; nothing is contacted yet.
    pub(crate) fn open(self) -> Result<Arc<dyn Backend>> {
        self.check()?;
        self.check_client()?;
        Ok(Arc::new(KafkaBackend {
            options: Arc::new(self),
            clock: Arc::default(),
            outbox: OnceLock::new(),
            starts: Arc::default(),
            instances: Mutex::default(),
        }))
    }
}

/// A connection.
struct KafkaBackend {
    options: Arc<Kafka>,
    clock: Arc<Clock>,
    outbox: OnceLock<Result<Arc<Outbox>, String>>,
    /// Where the subscriptions of one instance begin.
    starts: Arc<Mutex<Starts>>,
    /// Their consumers.
    instances: Mutex<HashMap<String, Vec<Weak<Share>>>>,
}

impl KafkaBackend {
    /// The publishing side, which everything else asks questions by too. It is made at the first use.
    fn outbox(&self, operation: &'static str) -> Result<&Arc<Outbox>> {
        let made = || Outbox::open(&self.options, &self.clock).map_err(|error| error.to_string());
        match self.outbox.get_or_init(made) {
            Ok(outbox) => Ok(outbox),
            Err(text) => Err(error(ErrorKind::Config, operation, text.clone())),
        }
    }

    fn open_outbox(&self, operation: &'static str) -> Result<&Arc<Outbox>> {
        let outbox = self.outbox(operation)?;
        if outbox.is_closed() { Err(closed(operation)) } else { Ok(outbox) }
    }

    fn consumers_of(&self, group: &str) -> Vec<Weak<Share>> {
        let instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        instances.get(group).cloned().unwrap_or_default()
    }

    fn remember(&self, group: &str, share: &Arc<Share>) {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let shares = instances.entry(group.to_owned()).or_default();
        shares.retain(|other| other.strong_count() > 0);
        shares.push(Arc::downgrade(share));
    }
}

impl Backend for KafkaBackend {
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
            delay: false,
            expiry: false,
            explicit_partition: true,
            longest_hold: None,
            shared: true,
            max_message: self.options.max_message,
        }
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let outbox = self.open_outbox("provision")?.clone();
            let (plan, starts) = (plan.clone(), self.starts.clone());
            off("provision", move || {
                let options = outbox.options();
                let (topics, begun) =
                    topology::provision(options, &plan, outbox.client().client(), outbox.trouble())?;
                outbox.learn(topics);
                let mut starts = starts.lock().unwrap_or_else(PoisonError::into_inner);
                for (group, start) in begun {
                    starts.entry(group).or_insert(start);
                }
                Ok(())
            })
            .await
        })
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        match self.outbox("publish") {
            Ok(outbox) => outbox.publish(outgoing),
            Err(error) => Publishing::ready(Err(error)),
        }
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            self.open_outbox("subscribe")?;
            let group = group_of(subscription);
            let starts = match &subscription.instance {
                None => None,
                Some(_) => Some(self.starts_of(&group, subscription)?),
            };
            let limits = subscription.limits;
            let most = (limits.held.saturating_mul(4).min(BUFFER), (limits.held_bytes / 4).max(1));
            let share = Arc::new(Share::new(most));
            let (options, clock, it) = (self.options.clone(), self.clock.clone(), subscription.clone());
            let shared = share.clone();
            off("subscribe", move || start(&options, clock, &it, shared, starts.as_deref())).await?;
            let forgetful = subscription.instance.is_some();
            if forgetful {
                self.remember(&group, &share);
            }
            let consumer = KafkaConsumer::new(share, group, self.options.commit_after, forgetful);
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let outbox = self.open_outbox("catch up")?;
            let group = group_of(subscription);
            caught_up::wait(outbox, subscription, || self.consumers_of(&group)).await
        })
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        Box::pin(async move { letters::browse(self.outbox("browse")?, topic) })
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { letters::discard(self.open_outbox("discard")?, topic, letters).await })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.outbox("close")?.close().await })
    }
}

impl KafkaBackend {
    fn starts_of(&self, group: &str, subscription: &Subscription) -> Result<Vec<(String, i32, u64)>> {
        let starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.get(group).cloned().ok_or_else(|| {
            let Subscription { group, filter, .. } = subscription;
            let text = format!(
                "group `{group}` on `{filter}` does not exist here; provision a plan with this subscription first"
            );
            error(ErrorKind::Topology, "subscribe", text)
        })
    }
}

/// Makes a consumer, and starts its thread.
fn start(
    options: &Arc<Kafka>,
    clock: Arc<Clock>,
    subscription: &Subscription,
    share: Arc<Share>,
    starts: Option<&[(String, i32, u64)]>,
) -> Result<()> {
    let watch = Watch::new(share.clone(), options.clone(), subscription);
    let config = options.consumer(subscription, &group_of(subscription));
    let mut consumer: BaseConsumer<Watch> =
        created(BaseConsumer::from_config_and_context(&config, watch), "subscribe")?;
    let ringing = share.clone();
    consumer.set_nonempty_callback(move || ringing.bell.ring());
    let instance = match starts {
        None => {
            let failed = |failure| of_client(&failure, "subscribe", "the subscription");
            consumer.subscribe(&[&expression(&subscription.filter)]).map_err(failed)?;
            None
        }
        Some(starts) => {
            Some(Instance::begin(&subscription.filter, options.refresh, starts, (&consumer, &share))?)
        }
    };
    let consumer = Arc::new(consumer);
    let committer = consumer.clone();
    let committing = spawn("commit", move || {
        let context = committer.context();
        context.committer.run(&committer, |failure| context.fail_if_fatal(failure));
    })?;
    let poller = Poller {
        consumer,
        committing,
        share,
        clock,
        instance,
        builder: MessageBuilder::new(),
        topics: Topics::default(),
        full: None,
        paused: false,
        paused_at: 0,
    };
    spawn("consume", move || poller.run()).map(|_| ())
}

impl Drop for KafkaBackend {
    fn drop(&mut self) {
        if let Some(Ok(outbox)) = self.outbox.get() {
            outbox.stop();
        }
    }
}

impl fmt::Debug for KafkaBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_closed =
            self.outbox.get().is_some_and(|outbox| outbox.as_ref().is_ok_and(|it| it.is_closed()));
        f.debug_struct("KafkaBackend")
            .field("options", &self.options)
            .field("closed", &is_closed)
            .finish_non_exhaustive()
    }
}
