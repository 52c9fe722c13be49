//! The thread on which a client lives: it is polled all the time, whatever the worker does.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    Message as _, Offset, Timestamp, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    message::BorrowedMessage,
    types::RDKafkaErrorCode as Code,
};

use super::{
    clock::Clock,
    config::OnGap,
    errors::{error, kind_of, of_client},
    instance::Instance,
    ledger::Ledger,
    patience::patiently,
    rebalance::{Pulled, Watch, unsigned},
    record::Record,
    share::{End, Share, Stage},
    wire,
};
use crate::{
    backend::{Header, Message, MessageBuilder, Topic},
    error::{ErrorKind, Result},
};

/// One client, and what is around it.
pub(super) struct Poller {
    pub(super) consumer: Arc<BaseConsumer<Watch>>,
    /// It commits, and ends before the client does.
    pub(super) committing: JoinHandle<()>,
    pub(super) share: Arc<Share>,
    pub(super) clock: Arc<Clock>,
    /// Only for a subscription of one instance.
    pub(super) instance: Option<Instance>,
    pub(super) builder: MessageBuilder,
    pub(super) topics: Topics,
    /// Since when there is no room, and whether the client is paused for it.
    pub(super) full: Option<Instant>,
    pub(super) paused: bool,
    /// How often partitions had come when it was paused.
    pub(super) paused_at: u64,
}

/// The most messages that are handed over at once.
const BATCH: usize = 256;
/// How long the client is left alone when nothing happens; it rings when something does.
const NAP: Duration = Duration::from_millis(100);
/// How long a buffer may be full before the client is paused: pausing throws away what it has fetched.
const PATIENCE: Duration = Duration::from_millis(100);

/// The topics whose messages came.
#[derive(Default)]
pub(super) struct Topics {
    by_name: HashMap<String, Topic>,
    /// Messages of one come together.
    last: Option<Topic>,
}

impl Topics {
    fn get(&mut self, name: &str) -> Topic {
        if let Some(last) = self.last.as_ref().filter(|last| last.as_str() == name) {
            return last.clone();
        }
        let known = self.by_name.entry(name.to_owned()).or_insert_with(|| Topic::from(name));
        self.last.insert(known.clone()).clone()
    }
}

impl Poller {
    /// Runs until the consumer is closed or dropped.
    pub(super) fn run(mut self) {
        let end = loop {
            let end = self.share.lock().end;
            if end != End::None {
                break end;
            }
            let pulled = self.pull();
            let next = self.commit();
            self.watch_room();
            if let Some(instance) = &mut self.instance {
                instance.look_for_more(&self.consumer, &self.share);
            }
            if !pulled {
                self.share.bell.wait(next.unwrap_or(NAP).min(NAP));
            }
        };
        let Self { consumer, committing, share, .. } = self;
        let answer = if end == End::Close { flush(&consumer, &share) } else { Ok(()) };
        // Leaving the group takes a moment, and whoever is next waits for it. Where not even a commit got through it
        // may take long, and nobody is to wait.
        let failed = answer.is_err();
        let tell = |answer| {
            share.lock().closed = Some(answer);
            share.wakers.wake();
        };
        let leave = || {
            consumer.context().committer.stop();
            // It panics only where we do.
            let _ = committing.join();
            drop(consumer);
        };
        if failed {
            tell(answer);
            leave();
        } else {
            leave();
            tell(Ok(()));
        }
    }

    /// Commits what is due, and says how long there is time until the next commit.
    fn commit(&self) -> Option<Duration> {
        if self.instance.is_some() {
            return None;
        }
        self.consumer.context().committer.commit_if_due()
    }

    /// Takes what the client has, as far as there is room; `false` if there was nothing.
    fn pull(&mut self) -> bool {
        let (mut count, mut bytes, mut idle) = (0, 0, 0);
        // A client that is paused has nothing, and is polled for what else happens.
        let room = if self.paused { (BATCH, usize::MAX) } else { self.share.room() };
        // An event that is not a message looks like nothing, so that it takes two to know.
        while idle < 2 && count < BATCH.min(room.0) && bytes < room.1 {
            match self.consumer.poll(Duration::ZERO) {
                None => idle += 1,
                Some(Ok(message)) => {
                    (count, idle) = (count + 1, 0);
                    let topic = self.topics.get(message.topic());
                    let (partition, offset) = (message.partition(), unsigned(message.offset()));
                    let pulled = Pulled {
                        topic,
                        name: None,
                        partition,
                        offset,
                        message: wire::message(&message, &mut self.builder),
                        age: None,
                    };
                    let pulled = Pulled { age: age(&pulled.message, &message, &self.clock), ..pulled };
                    bytes += pulled.message.size();
                    if let Some(pulled) = wire::addressed(pulled, self.instance.as_ref()) {
                        let queue = &self.consumer.context().pulled;
                        queue.lock().unwrap_or_else(PoisonError::into_inner).push(pulled);
                    }
                }
                Some(Err(failure)) => {
                    (count, idle) = (count + 1, 0);
                    self.fail(&failure);
                }
            }
        }
        self.consumer.context().flush();
        count > 0
    }

    /// Pauses the client where the worker takes nothing, so that it can be polled all the same.
    fn watch_room(&mut self) {
        let room = self.share.room();
        if room.0 > 0 && room.1 > 0 {
            self.full = None;
            if std::mem::take(&mut self.paused) {
                self.each_assigned("resume", |list| self.consumer.resume(list));
            }
            return;
        }
        let since = *self.full.get_or_insert_with(Instant::now);
        let rebalances = self.consumer.context().rebalances.load(Ordering::Relaxed);
        // What was assigned meanwhile is paused too.
        if since.elapsed() >= PATIENCE && (!self.paused || self.paused_at != rebalances) {
            (self.paused, self.paused_at) = (true, rebalances);
            self.each_assigned("pause", |list| self.consumer.pause(list));
        }
        self.share.bell.wait(Duration::from_millis(10));
    }

    fn each_assigned(&self, what: &str, act: impl Fn(&TopicPartitionList) -> KafkaResult<()>) {
        if let Err(failure) = self.consumer.assignment().and_then(|list| act(&list)) {
            tracing::debug!(target: "typebus::kafka", %failure, "cannot {what}");
        }
    }

    fn fail(&self, failure: &KafkaError) {
        match failure.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => self.find_gaps(),
            Some(Code::PollExceeded | Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                tracing::warn!(target: "typebus::kafka", %failure, "the consumer waits until this is over");
            }
            _ => self.consumer.context().fail_if_fatal(failure),
        }
    }

    /// Messages are gone that the group has not read: an incident, and never silent.
    fn find_gaps(&self) {
        let context = self.consumer.context();
        context.flush();
        let ours: Vec<(u32, Topic, i32, u64)> = {
            let state = self.share.lock();
            let ours = state.in_stage(Stage::Ours).into_iter().map(|at| (at, &state.parts[at as usize]));
            ours.map(|(at, part)| (at, part.topic.clone(), part.number, part.fetched)).collect()
        };
        for (number, topic, partition, next) in ours {
            let timeout = context.options.timeout;
            let ask = || self.consumer.fetch_watermarks(&topic, partition, timeout);
            let Ok((low, high)) = patiently(timeout, ask) else { continue };
            let (low, high) = (unsigned(low), unsigned(high));
            if (low..=high).contains(&next) {
                continue;
            }
            let text = format!(
                "topic `{topic}`, partition {partition}: the next message to read is {next}, and the broker has {low} \
                 to {high}: what is between is gone (retention, or the topic was made anew); `on_gap = skip` goes on \
                 at {low}"
            );
            if context.options.on_gap == OnGap::Stop {
                self.share.lock().fatal.get_or_insert(error(ErrorKind::Fatal, "consume", text));
                self.share.wakers.wake();
                return;
            }
            tracing::error!(target: "typebus::kafka", "{text}");
            let mut state = self.share.lock();
            state.lose(&[number]);
            state.begin(number, Ledger::new(low, Record::default(), None));
            drop(state);
            if let Err(failure) = self.go_on_from(&topic, partition, low) {
                context.fail_if_fatal(&failure);
            }
            self.share.wakers.wake();
        }
    }

    /// Reads a partition from another place. One whose offset was out of range is not read any more, and cannot be
    /// sought in, so that it is assigned anew.
    fn go_on_from(&self, topic: &str, partition: i32, low: u64) -> KafkaResult<()> {
        let at = |offset: u64| Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, at(low))?;
        if self.instance.is_some()
            || matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
        {
            self.consumer.incremental_unassign(&list)?;
            return self.consumer.incremental_assign(&list);
        }
        let state = self.share.lock();
        let others = state.in_stage(Stage::Ours).into_iter().map(|number| &state.parts[number as usize]);
        for part in others.filter(|part| part.topic.as_str() != topic || part.number != partition) {
            list.add_partition_offset(&part.topic, part.number, at(part.fetched))?;
        }
        drop(state);
        self.consumer.assign(&list)
    }
}

/// Makes everything settled durable. The client is polled meanwhile: a commit may have to wait for a rebalance, which
/// waits for us.
fn flush(consumer: &BaseConsumer<Watch>, share: &Share) -> Result<()> {
    let context = consumer.context();
    if context.is_forgetful() {
        return Ok(());
    }
    let deadline = Instant::now() + context.options.timeout;
    let told = "the last commit failed; what was settled may come again";
    loop {
        let ours = share.lock().in_stage(Stage::Ours);
        if ours.is_empty() {
            return Ok(());
        }
        context.committer.begin(ours, 0);
        while context.committer.is_waiting() {
            if Instant::now() >= deadline {
                return Err(error(ErrorKind::Timeout, "close", told));
            }
            // What it gives is not delivered any more.
            drop(consumer.poll(Duration::from_millis(20)));
        }
        let Some(failure) = context.committer.take_failure() else { return Ok(()) };
        let heals = failure.rdkafka_error_code().map(kind_of) == Some(ErrorKind::Connect);
        if !heals || consumer.assignment_lost() || Instant::now() >= deadline {
            return Err(of_client(&failure, "close", told));
        }
        drop(consumer.poll(Duration::from_millis(20)));
    }
}

/// How long ago it was stored, for what the bus asks it of: messages that have headers of its own.
fn age(message: &Message, arrived: &BorrowedMessage<'_>, clock: &Clock) -> Option<Duration> {
    let is_ours = |header| matches!(header, Header::Plain(name, _) if name.starts_with(b"typebus-"));
    if !message.headers().any(is_ours) {
        return None;
    }
    // The time of creation is the producer's clock, which may be wrong.
    let Timestamp::LogAppendTime(stored) = arrived.timestamp() else { return None };
    Some(Duration::from_millis(unsigned(clock.broker(now())? - stored)))
}

/// Milliseconds since 1970, by our clock.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
