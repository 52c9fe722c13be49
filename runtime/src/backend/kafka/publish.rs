//! Publishing: at once where there is room and the topic is known, in turn where not.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, Timestamp,
    config::{FromClientConfigAndContext as _, RDKafkaLogLevel},
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::watch;

use super::{
    clock::Clock,
    config::{Kafka, Provision},
    connect::{Trouble, created, log, metadata, partitions, spawn},
    errors::{closed, error, kind_of},
    names::physical,
    poll::now,
    topology::{Wanted, await_topics, create},
    window::{Answer, Pending, Waiting, Window},
    wire,
};
use crate::{
    backend::{Confirmation, Outgoing, Position, Publishing, Topic},
    error::{Error, ErrorKind, Result},
    topic,
};

/// The publishing side of one connection.
pub(super) struct Outbox {
    /// Another one where the client had to give up.
    producer: RwLock<Arc<Client>>,
    signals: Arc<Signals>,
    options: Arc<Kafka>,
    window: Arc<Window>,
    /// The topics that are there, with their partitions.
    topics: RwLock<HashMap<String, u32>>,
    /// Whether everything is answered, when it is over.
    end: watch::Sender<Option<bool>>,
}

pub(super) type Client = ThreadedProducer<Reports>;

/// What the client calls back, on its own thread.
pub(super) struct Reports(Arc<Signals>);

struct Signals {
    window: Arc<Window>,
    clock: Arc<Clock>,
    trouble: Trouble,
    /// The client gave up: idempotence is at an end, and nothing can be sent by it any more.
    gave_up: AtomicBool,
    /// What it threw away, to be answered when it has said why.
    orphans: Mutex<Vec<(Arc<Pending>, String, bool)>>,
    closed: AtomicBool,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if message.contains("SSL handshake failed") || message.contains("authentication") {
            let kind = if message.contains("SSL") { ErrorKind::Connect } else { ErrorKind::Authentication };
            self.0.trouble.note(kind, message.to_owned());
        }
        log(level, facility, message);
    }

    fn error(&self, failure: KafkaError, reason: &str) {
        let code = failure.rdkafka_error_code();
        self.0.trouble.note(code.map_or(ErrorKind::Connect, kind_of), reason.to_owned());
        if code == Some(Code::Fatal) || code.map(kind_of) == Some(ErrorKind::Fatal) {
            self.0.gave_up.store(true, Ordering::Release);
        }
        tracing::debug!(target: "typebus::kafka", %failure, "{reason}");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Arc<Pending>) {
        let signals = &*self.0;
        signals.window.leave(pending.bytes);
        if let Err((failure, message)) = result
            && let Some(code @ (Code::PurgeQueue | Code::PurgeInflight)) = failure.rdkafka_error_code()
            && !signals.closed.load(Ordering::Acquire)
        {
            let orphan = (pending, message.topic().to_owned(), code == Code::PurgeInflight);
            signals.orphans.lock().unwrap_or_else(PoisonError::into_inner).push(orphan);
            signals.gave_up.store(true, Ordering::Release);
            return signals.window.notify();
        }
        pending.answer(match result {
            Ok(stored) => {
                if let Timestamp::LogAppendTime(time) = stored.timestamp() {
                    signals.clock.note(time, now());
                }
                Ok(Confirmation {
                    partition: u32::try_from(stored.partition()).ok(),
                    position: u64::try_from(stored.offset()).ok().map(Position::new),
                })
            }
            Err((failure, message)) => Err(refused(failure, message.topic())),
        });
    }
}

/// What the broker's refusal means; what may be stored has an unknown outcome.
fn refused(failure: &KafkaError, topic: &str) -> Error {
    let code = failure.rdkafka_error_code().unwrap_or(Code::Unknown);
    let what = |text: String| format!("topic `{topic}`: {text}");
    match (kind_of(code), code) {
        (_, Code::PurgeQueue) => closed("publish"),
        (_, Code::PurgeInflight) => closed("publish").with_unknown_outcome(),
        (ErrorKind::Unroutable, Code::UnknownPartition) => error(
            ErrorKind::Config,
            "publish",
            what("it has no such partition; choose one that is there".to_owned()),
        ),
        (ErrorKind::Unroutable, _) => unroutable(topic),
        (ErrorKind::TooLarge, _) => error(
            ErrorKind::TooLarge,
            "publish",
            what(
                "the message is larger than the broker takes; see the topic's `max.message.bytes`".to_owned(),
            ),
        ),
        (ErrorKind::Permission, _) => error(
            ErrorKind::Permission,
            "publish",
            what(format!("{code}; the user needs an ACL to write to it")),
        ),
        (_, Code::InvalidRecord | Code::InvalidTopic | Code::PolicyViolation) => {
            error(ErrorKind::Topology, "publish", what(code.to_string()))
        }
        (kind, code) => {
            let kind = if kind == ErrorKind::Topology { ErrorKind::Connect } else { kind };
            error(kind, "publish", what(code.to_string())).with_unknown_outcome()
        }
    }
}

fn unroutable(topic: &str) -> Error {
    let text = format!("topic `{topic}` does not exist; create it, or let `provision = create` do so");
    error(ErrorKind::Unroutable, "publish", text)
}

/// How long the sending thread sleeps at most.
const NAP: Duration = Duration::from_millis(100);

impl Outbox {
    /// Makes the client; nothing is contacted yet.
    pub(super) fn open(options: &Arc<Kafka>, clock: &Arc<Clock>) -> Result<Arc<Self>> {
        let window = Arc::new(Window::new(options.window, options.window_bytes));
        let signals = Arc::new(Signals {
            window: window.clone(),
            clock: clock.clone(),
            trouble: Trouble::default(),
            gave_up: AtomicBool::new(false),
            orphans: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let outbox = Arc::new(Self {
            producer: RwLock::new(made(options, &signals)?),
            signals,
            options: options.clone(),
            window,
            topics: RwLock::default(),
            end: watch::Sender::new(None),
        });
        let sending = outbox.clone();
        spawn("send", move || sending.send_in_turn())?;
        Ok(outbox)
    }

    pub(super) fn options(&self) -> &Kafka {
        &self.options
    }

    pub(super) fn client(&self) -> Arc<Client> {
        self.producer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn trouble(&self) -> &Trouble {
        &self.signals.trouble
    }

    pub(super) fn is_closed(&self) -> bool {
        self.signals.closed.load(Ordering::Relaxed)
    }

    /// Takes note of topics that are there.
    pub(super) fn learn(&self, topics: HashMap<String, u32>) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).extend(topics);
    }

    fn partitions_of(&self, topic: &str) -> Option<u32> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    pub(super) fn publish(&self, outgoing: Outgoing) -> Publishing {
        match self.try_publish(outgoing) {
            Ok(pending) => Publishing::pending(Answer(pending)),
            Err(refusal) => Publishing::ready(Err(refusal)),
        }
    }

    fn try_publish(&self, outgoing: Outgoing) -> Result<Arc<Pending>> {
        if self.is_closed() {
            return Err(closed("publish"));
        }
        self.check(&outgoing)?;
        let pending = Arc::new(Pending::new(outgoing.message.size()));
        let is_first =
            !self.window.waits.load(Ordering::Acquire) && !self.signals.gave_up.load(Ordering::Relaxed);
        if is_first && self.window.has_room() && self.partitions_of(physical(&outgoing.topic)).is_some() {
            match self.send(&outgoing, &pending) {
                Ok(()) => return Ok(pending),
                Err(Refusal::Full) => {}
                Err(Refusal::Of(refusal)) => return Err(refusal),
            }
        }
        let mut queue = self.window.queue();
        if queue.closing {
            return Err(closed("publish"));
        }
        queue.waiting.push_back(Waiting { outgoing, answer: pending.clone(), since: Instant::now() });
        self.window.waits.store(true, Ordering::Release);
        drop(queue);
        self.window.notify();
        Ok(pending)
    }

    fn check(&self, outgoing: &Outgoing) -> Result<()> {
        let (topic, size, limit) = (&outgoing.topic, outgoing.message.size(), self.options.max_message);
        if topic::is_pattern(topic) {
            let text = format!("`{topic}` is a pattern; publish on an exact topic");
            return Err(error(ErrorKind::InvalidTopic, "publish", text));
        }
        if size > limit {
            let text = format!(
                "the message for topic `{topic}` has {size} bytes, and {limit} are the most; make it smaller, or \
                 raise `max_message`"
            );
            return Err(error(ErrorKind::TooLarge, "publish", text));
        }
        if outgoing.options.as_ref().is_some_and(|options| options.delay.is_some()) {
            let text = format!("this broker cannot do `delay` (topic `{topic}`); leave it out");
            return Err(error(ErrorKind::Unsupported, "publish", text));
        }
        Ok(())
    }

    /// Hands a message to the client.
    fn send(&self, outgoing: &Outgoing, pending: &Arc<Pending>) -> Result<(), Refusal> {
        let Outgoing { topic, message, sender, options } = outgoing;
        let name = physical(topic);
        let mut headers = wire::headers(message, *sender)?;
        if name != topic.as_str() {
            headers = wire::addressed_to(headers, topic);
        }
        let mut record =
            BaseRecord::with_opaque_to(name, pending.clone()).payload(message.payload()).headers(headers);
        if let Some(key) = message.key() {
            record = record.key(key);
        }
        if let Some(partition) = options.as_ref().and_then(|options| options.partition) {
            record = record.partition(self.existing(topic, partition)?);
        }
        self.window.enter(pending.bytes);
        let Err((failure, _)) = self.client().send(record) else { return Ok(()) };
        self.window.leave(pending.bytes);
        match failure.rdkafka_error_code() {
            Some(Code::QueueFull) => Err(Refusal::Full),
            // In turn, by another client.
            Some(Code::Fatal) => {
                self.signals.gave_up.store(true, Ordering::Release);
                Err(Refusal::Full)
            }
            _ => {
                self.forget(name, &failure);
                Err(Refusal::Of(refused(&failure, topic)))
            }
        }
    }

    fn existing(&self, topic: &Topic, partition: u32) -> Result<i32> {
        let count = self.partitions_of(physical(topic)).unwrap_or(u32::MAX);
        match i32::try_from(partition) {
            Ok(number) if partition < count => Ok(number),
            _ => {
                let text = format!(
                    "topic `{topic}` has {count} partitions, numbered from 0, and the message is for partition \
                     {partition}; choose one that is there"
                );
                Err(error(ErrorKind::Config, "publish", text))
            }
        }
    }

    /// A topic that is gone is looked for again next time.
    fn forget(&self, topic: &str, failure: &KafkaError) {
        if failure.rdkafka_error_code().map(kind_of) == Some(ErrorKind::Unroutable) {
            self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
        }
    }

    /// The sending thread: whatever could not be sent at once is, in turn. It ends with the connection.
    fn send_in_turn(&self) {
        let mut deadline = None;
        let mut queue = self.window.queue();
        loop {
            if self.signals.gave_up.load(Ordering::Acquire) {
                drop(queue);
                self.renew();
                queue = self.window.queue();
            }
            if let Some(first) = queue.waiting.pop_front() {
                drop(queue);
                let blocked = self.send_next(first);
                queue = self.window.queue();
                if let Some(again) = blocked {
                    queue.waiting.push_front(again);
                    queue = self.window.wait(queue, NAP);
                }
                continue;
            }
            self.window.waits.store(false, Ordering::Release);
            if queue.closing {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.options.publish_timeout);
                if self.window.is_empty() || Instant::now() >= deadline {
                    break;
                }
                queue = self.window.wait(queue, NAP / 10);
            } else {
                queue = self.window.wait(queue, NAP);
            }
        }
        drop(queue);
        self.end.send_replace(Some(self.window.is_empty()));
    }

    /// Answers what the client threw away, and makes another one.
    fn renew(&self) {
        let why = self.client().client().fatal_error();
        let orphans =
            std::mem::take(&mut *self.signals.orphans.lock().unwrap_or_else(PoisonError::into_inner));
        for (pending, topic, may_be_stored) in orphans {
            let (kind, reason) = match &why {
                Some((code, reason)) if kind_of(*code) == ErrorKind::Permission => {
                    (ErrorKind::Permission, format!("{reason}; the user needs an ACL to write"))
                }
                Some((_, reason)) => (ErrorKind::Connect, reason.clone()),
                None => (ErrorKind::Connect, "the client gave up".to_owned()),
            };
            let refusal = error(kind, "publish", format!("topic `{topic}`: {reason}"));
            pending.answer(Err(if may_be_stored { refusal.with_unknown_outcome() } else { refusal }));
        }
        match made(&self.options, &self.signals) {
            Ok(client) => {
                let old = std::mem::replace(
                    &mut *self.producer.write().unwrap_or_else(PoisonError::into_inner),
                    client,
                );
                drop(old);
                self.signals.gave_up.store(false, Ordering::Release);
                tracing::warn!(target: "typebus::kafka", "the client gave up, and another one goes on");
            }
            Err(failure) => {
                tracing::warn!(target: "typebus::kafka", %failure, "there is no other client yet");
            }
        }
    }

    /// Sends one that waited, or gives it back where there is no room for it.
    fn send_next(&self, waiting: Waiting) -> Option<Waiting> {
        let topic = physical(&waiting.outgoing.topic);
        if waiting.since.elapsed() >= self.options.publish_timeout {
            let text =
                format!("topic `{topic}`: there was no room within {:?}", self.options.publish_timeout);
            waiting.answer.answer(Err(error(ErrorKind::Timeout, "publish", text)));
            return None;
        }
        if self.partitions_of(topic).is_none()
            && let Err(refusal) = self.find(topic)
        {
            waiting.answer.answer(Err(refusal));
            return None;
        }
        if !self.window.has_room() {
            return Some(waiting);
        }
        match self.send(&waiting.outgoing, &waiting.answer) {
            Ok(()) => None,
            Err(Refusal::Full) => Some(waiting),
            Err(Refusal::Of(refusal)) => {
                waiting.answer.answer(Err(refusal));
                None
            }
        }
    }

    /// Looks for a topic, and creates it where that is wanted.
    fn find(&self, name: &str) -> Result<()> {
        let options = &*self.options;
        let client = self.client();
        let ask =
            || metadata(client.client(), self.trouble(), (Some(name), "publish"), options.connect_timeout);
        let mut count = partitions(&ask()?, name, "publish")?;
        if count.is_none() && options.provision == Provision::Create {
            let wanted = Wanted::of(options, name);
            create(options, &[&wanted])?;
            let found = await_topics(options, &[&wanted], client.client(), self.trouble())?;
            count = partitions(&found, name, "publish")?;
        }
        let count = count.ok_or_else(|| unroutable(name))?;
        self.learn(HashMap::from([(name.to_owned(), count)]));
        Ok(())
    }

    /// Takes nothing more, and ends when everything is answered.
    pub(super) fn stop(&self) {
        self.signals.closed.store(true, Ordering::Relaxed);
        self.window.queue().closing = true;
        self.window.notify();
    }

    /// The same, and waits for it.
    pub(super) async fn close(&self) -> Result<()> {
        self.stop();
        let mut end = self.end.subscribe();
        let end = end.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        match end {
            Some(true) => Ok(()),
            _ => Err(error(ErrorKind::Connect, "close", "the last confirmations did not come")
                .with_unknown_outcome()),
        }
    }
}

fn made(options: &Kafka, signals: &Arc<Signals>) -> Result<Arc<Client>> {
    let client = Client::from_config_and_context(&options.producer(), Reports(signals.clone()));
    created(client, "connect").map(Arc::new)
}

/// Why a message was not handed over.
enum Refusal {
    Full,
    Of(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Of(error)
    }
}
