//! Publishing: at once where there is room and the topic is known, in turn where not.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    config::FromClientConfigAndContext as _,
    error::KafkaError,
    producer::{BaseRecord, Producer as _, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::watch;

use super::{
    clock::Clock,
    config::{Kafka, Provision},
    connect::{Trouble, created, metadata, partitions, spawn},
    errors::{closed, error, kind_of},
    names::physical,
    reports::{Reports, Signals, refused, unroutable},
    topology::{Wanted, await_topics, create},
    window::{Answer, Pending, Waiting, Window},
    wire,
};
use crate::{
    backend::{Outgoing, Publishing, Topic},
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

/// How long the sending thread sleeps at most.
const NAP: Duration = Duration::from_millis(100);

impl Outbox {
    /// Makes the client; nothing is contacted yet.
    pub(super) fn open(options: &Arc<Kafka>, clock: &Arc<Clock>) -> Result<Arc<Self>> {
        let window = Arc::new(Window::new(options.window, options.window_bytes));
        let signals = Arc::new(Signals::new(window.clone(), clock.clone()));
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
        self.signals.answer_orphans(self.client().client().fatal_error().as_ref());
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
