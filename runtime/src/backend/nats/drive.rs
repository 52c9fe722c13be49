//! The task of one consumer: it pulls, renews leases, acknowledges, and notices when it has lost what it had.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_nats::{Message as Wire, StatusCode, Subscriber};
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{
    config::Nats,
    connect::{Link, News},
    consume::{Record, Shared, Wish},
    failure::{asked, error},
    journal::{Journal, Single},
    letters, names, not_provisioned,
    topology::{self, Source},
    wire,
};
use crate::{
    backend::{Delivery, Message, Past, Position, Subscription, Token, Topic},
    duration::FOR_EVER,
    error::{ErrorKind, Result},
    topic,
};

/// How instances share a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One is pinned, the others stand by.
    Pinned,
    /// There is one.
    Alone,
    /// Whoever asks gets the next.
    Competing,
}

/// A delivery that is not settled.
pub(super) struct Held {
    /// Where it is acknowledged.
    pub(super) reply: String,
    pub(super) sequence: u64,
    pub(super) delivered: u64,
    pub(super) crashes: u32,
}

pub(super) struct Driver {
    pub(super) options: Arc<Nats>,
    pub(super) subscription: Subscription,
    pub(super) source: Source,
    pub(super) name: String,
    partition: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    pub(super) mode: Mode,
    /// Names this instance.
    pub(super) owner: String,
    pub(super) pin: Option<String>,
    pub(super) inbox: String,
    answers: Option<Subscriber>,
    generation: u32,
    position: u64,
    pub(super) held: BTreeMap<u64, Held>,
    /// Positions by sequence, of what is held.
    by_sequence: HashMap<u64, u64>,
    /// What was received last of this generation.
    pub(super) last: u64,
    pub(super) journal: Journal,
    /// Acknowledged, and not known to have arrived; in batches, each with one answer to come.
    pub(super) unconfirmed: VecDeque<String>,
    batches: VecDeque<usize>,
    pub(super) outstanding: usize,
    pub(super) heard: Instant,
    lease: Duration,
    pub(super) pin_timeout: Duration,
    next_progress: Instant,
    next_keepalive: Instant,
    timer: Pin<Box<Sleep>>,
    /// The ack floor when it was last looked at, and how often the connection ended since it moved.
    pub(super) floor: u64,
    pub(super) ends: u32,
    topic: Topic,
}

/// What the task hears.
pub(super) enum Heard {
    Messages(Vec<Wire>),
    Told,
    Up,
    Down,
    Time,
}

/// Why it goes on from the start, or not at all.
pub(super) enum Turn {
    /// What was held is lost; it begins again.
    Again,
    /// It is closed, or dropped.
    End,
}

/// Messages that are looked at in one go.
const GO: usize = 256;
/// After so many ends of the connection without progress one message at a time is asked for.
pub(super) const ENDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3);

impl Driver {
    pub(super) async fn open(
        options: &Arc<Nats>,
        subscription: &Subscription,
        source: Source,
        partition: u32,
        shared: &Arc<Shared>,
    ) -> Result<Self> {
        let link = Link::open(options, &subscription.group).await?;
        let name = names::consumer(subscription);
        let missing = || not_provisioned("subscribe", subscription);
        let stream = topology::stream(&link, &source.stream).await?.ok_or_else(missing)?;
        let info = topology::consumer(&stream, &name).await?.ok_or_else(missing)?;
        let mode = match subscription.instance {
            Some(_) => Mode::Alone,
            None if topology::is_pinned(subscription) => Mode::Pinned,
            None => Mode::Competing,
        };
        let is_pinned =
            info.config.priority_policy == async_nats::jetstream::consumer::PriorityPolicy::PinnedClient;
        if is_pinned != (mode == Mode::Pinned) {
            let text = format!(
                "consumer `{name}` does not keep the order that the subscription asks for; provision it"
            );
            return Err(error(ErrorKind::Topology, "subscribe", text));
        }
        let pin_timeout = info.config.priority_timeout;
        let now = Instant::now();
        Ok(Self {
            options: Arc::clone(options),
            subscription: subscription.clone(),
            topic: subscription.filter.clone(),
            source,
            name,
            partition,
            shared: Arc::clone(shared),
            mode,
            owner: link.client.new_inbox().rsplit('.').next().unwrap_or_default().to_owned(),
            link,
            pin: None,
            inbox: String::new(),
            answers: None,
            generation: 0,
            position: 0,
            held: BTreeMap::new(),
            by_sequence: HashMap::new(),
            last: 0,
            journal: Journal::default(),
            unconfirmed: VecDeque::new(),
            batches: VecDeque::new(),
            outstanding: 0,
            heard: now,
            lease: info.config.ack_wait.max(Duration::from_millis(30)),
            pin_timeout: if pin_timeout.is_zero() { Duration::from_secs(120) } else { pin_timeout },
            next_progress: now,
            next_keepalive: now,
            timer: Box::pin(sleep(Duration::ZERO)),
            floor: 0,
            ends: 0,
        })
    }

    /// Works until the consumer is closed or dropped, or cannot be healed.
    pub(super) async fn run(mut self) {
        let mut pause = PAUSE;
        loop {
            let started = Instant::now();
            match self.serve().await {
                Ok(Turn::End) => return,
                Ok(Turn::Again) => self.lose(),
                Err(cause) if cause.is_transient() => {
                    tracing::warn!(%cause, consumer = self.name, "the subscription begins again");
                    self.lose();
                    if started.elapsed() > LONGEST {
                        pause = PAUSE;
                    }
                    let until = Instant::now() + pause;
                    pause = (pause * 2).min(LONGEST);
                    while Instant::now() < until {
                        if self.is_over() {
                            return;
                        }
                        self.listen(until).await;
                    }
                }
                Err(cause) => {
                    self.shared.tell(|state| {
                        state.closed = Some(Err(cause.clone()));
                        state.failed = Some(cause);
                    });
                    return;
                }
            }
        }
    }

    /// Whether there is nothing left to do; to be asked where nothing is held.
    pub(super) fn is_over(&self) -> bool {
        let mut state = self.shared.lock();
        if state.is_closing && !state.is_dropped {
            drop(state);
            self.shared.tell(|state| state.closed = Some(Ok(())));
            return true;
        }
        // Whatever is told now is about what was lost.
        state.settled.clear();
        if let Record::Asked(token) = &state.record {
            state.record = Record::Done(*token, Ok(()));
        }
        state.is_dropped
    }

    /// What was delivered is not ours any more.
    fn lose(&mut self) {
        let was_used = self.position > 0;
        self.generation = self.generation.wrapping_add(1);
        self.position = 0;
        self.held.clear();
        self.by_sequence.clear();
        self.outstanding = 0;
        self.answers = None;
        self.shared.tell(|state| {
            state.queue.clear();
            state.queued_bytes = 0;
            state.is_lost |= was_used;
            if let Record::Asked(token) = state.record {
                state.record = Record::Done(token, Ok(()));
            }
        });
    }

    async fn serve(&mut self) -> Result<Turn> {
        while !self.link.is_up() {
            if self.is_over() {
                return Ok(Turn::End);
            }
            self.listen(Instant::now() + PAUSE).await;
        }
        while self.link.news.try_recv().is_ok() {}
        self.inbox = self.link.client.new_inbox();
        let subscribing = self.link.client.subscribe(format!("{}.*", self.inbox));
        let subscriber = match timeout(self.options.request_timeout, subscribing).await {
            Ok(subscribed) => {
                subscribed.map_err(|cause| asked("consume", "subscribing to answers", cause))?
            }
            Err(_) => return Err(asked("consume", "subscribing to answers", "timed out")),
        };
        self.answers = Some(subscriber);
        let turn = match self.mode {
            Mode::Pinned => match self.stand_by().await? {
                Some(turn) => Some(turn),
                None => self.take_over().await?,
            },
            Mode::Alone => self.take_over().await?,
            Mode::Competing => None,
        };
        match turn {
            Some(turn) => Ok(turn),
            None => self.work().await,
        }
    }

    async fn work(&mut self) -> Result<Turn> {
        let now = Instant::now();
        (self.heard, self.next_progress, self.next_keepalive) = (now, now + self.lease / 3, now);
        loop {
            self.pull().await?;
            let mut until = self.next_progress;
            if self.mode == Mode::Pinned {
                until = until.min(self.next_keepalive);
            }
            if self.outstanding > 0 {
                until = until.min(self.silence());
            }
            match self.listen(until).await {
                Heard::Messages(messages) => {
                    if let Some(turn) = self.receive(messages).await? {
                        return Ok(turn);
                    }
                }
                Heard::Told => {
                    if let Some(turn) = self.told().await? {
                        return Ok(turn);
                    }
                }
                Heard::Up => self.outstanding = 0,
                Heard::Down => {
                    if let Some(turn) = self.cut_off().await? {
                        return Ok(turn);
                    }
                }
                Heard::Time => {}
            }
            self.pass_time().await?;
        }
    }

    /// When the server has been silent for too long.
    pub(super) fn silence(&self) -> Instant {
        self.heard + self.options.idle_timeout.min(FOR_EVER) * 2
    }

    /// Waits for whatever happens first.
    pub(super) async fn listen(&mut self, until: Instant) -> Heard {
        self.timer.as_mut().reset(until);
        let shared = Arc::clone(&self.shared);
        let mut told = pin!(shared.told.notified());
        poll_fn(|cx| {
            if let Poll::Ready(Some(news)) = self.link.news.poll_recv(cx) {
                match news {
                    News::Up => return Poll::Ready(Heard::Up),
                    News::Down | News::Expelled => return Poll::Ready(Heard::Down),
                    News::Denied(subject) => {
                        tracing::error!(subject, "the user may not use this subject; give it the right to");
                        return Poll::Ready(Heard::Time);
                    }
                }
            }
            if told.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Heard::Told);
            }
            let mut messages = Vec::new();
            if let Some(answers) = &mut self.answers {
                while messages.len() < GO
                    && let Poll::Ready(Some(message)) = Pin::new(&mut *answers).poll_next(cx)
                {
                    messages.push(message);
                }
            }
            if !messages.is_empty() {
                return Poll::Ready(Heard::Messages(messages));
            }
            self.timer.as_mut().poll(cx).map(|()| Heard::Time)
        })
        .await
    }

    /// Sends something without an answer of its own.
    pub(super) async fn send(&self, subject: String, reply: Option<String>, text: String) -> Result<()> {
        let client = &self.link.client;
        let payload = text.into_bytes().into();
        let sending = async {
            match reply {
                Some(reply) => client.publish_with_reply(subject, reply, payload).await,
                None => client.publish(subject, payload).await,
            }
        };
        match timeout(self.options.request_timeout, sending).await {
            Ok(sent) => sent.map_err(|cause| asked("consume", "sending", cause)),
            Err(_) => Err(asked("consume", "sending", "timed out")),
        }
    }

    /// Asks for messages; a pull that is told nothing for a while is told so.
    pub(super) async fn ask_for(&mut self, batch: usize, bytes: Option<usize>, reply: &str) -> Result<()> {
        let idle = self.options.idle_timeout;
        let mut text = format!("{{\"batch\":{batch}");
        match bytes {
            // Nothing is that small, so that nothing is delivered; it only shows that we are there.
            Some(1) => text.push_str(",\"max_bytes\":1,\"no_wait\":true"),
            bytes => {
                let (expires, heartbeat) = (idle.as_nanos() * 3, idle.as_nanos());
                text.push_str(&format!(",\"expires\":{expires},\"idle_heartbeat\":{heartbeat}"));
                if let Some(bytes) = bytes {
                    text.push_str(&format!(",\"max_bytes\":{bytes}"));
                }
            }
        }
        if self.mode == Mode::Pinned {
            text.push_str(&format!(",\"group\":\"{}\"", names::PINNED));
            if let Some(pin) = &self.pin {
                text.push_str(&format!(",\"id\":\"{pin}\""));
            }
        }
        text.push('}');
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.source.stream, self.name);
        self.send(subject, Some(format!("{}.{reply}", self.inbox)), text).await
    }

    /// Asks for as much as the worker has room for.
    async fn pull(&mut self) -> Result<()> {
        let (Wish { count, bytes }, queued, queued_bytes) = {
            let state = self.shared.lock();
            (state.room, state.queue.len(), state.queued_bytes)
        };
        let most = if self.ends >= ENDS { 1 } else { self.options.fetch };
        let target = count.saturating_sub(queued).min(most);
        let wanted = target.saturating_sub(self.outstanding);
        if wanted == 0 || self.outstanding > target / 2 || !self.link.is_up() {
            return Ok(());
        }
        let bytes = bytes.saturating_sub(queued_bytes).max(self.options.max_message * 2);
        if self.outstanding == 0 {
            self.heard = Instant::now();
        }
        self.outstanding += wanted;
        self.ask_for(wanted, Some(bytes), "p").await
    }

    /// Renews leases, shows that it is there, and asks again where nothing was heard.
    async fn pass_time(&mut self) -> Result<()> {
        let now = Instant::now();
        if now >= self.next_progress {
            self.next_progress = now + self.lease / 3;
            if self.link.is_up() {
                for held in self.held.values() {
                    self.send(held.reply.clone(), None, "+WPI".to_owned()).await?;
                }
            }
        }
        if self.mode == Mode::Pinned && now >= self.next_keepalive {
            self.next_keepalive = now + self.pin_timeout / 3;
            if self.link.is_up() {
                self.ask_for(1, Some(1), "k").await?;
            }
        }
        if self.outstanding > 0 && now >= self.silence() {
            (self.outstanding, self.heard) = (0, now);
        }
        Ok(())
    }

    async fn receive(&mut self, messages: Vec<Wire>) -> Result<Option<Turn>> {
        self.heard = Instant::now();
        let mut deliveries = Vec::with_capacity(messages.len());
        let mut turn = None;
        for message in messages {
            let answer = message.subject.strip_prefix(self.inbox.as_str()).map(str::to_owned);
            turn = match answer.as_deref() {
                Some(".a") => {
                    let confirmed = self.batches.pop_front().unwrap_or_default();
                    self.unconfirmed.drain(..confirmed.min(self.unconfirmed.len()));
                    self.ends = 0;
                    None
                }
                Some(".k") => is_unpinned(&message).then_some(Turn::Again),
                Some(_) => self.status(&message)?,
                None => self.take(message, &mut deliveries).await?,
            };
            if turn.is_some() {
                break;
            }
        }
        self.hand_out(deliveries);
        Ok(turn)
    }

    fn hand_out(&mut self, deliveries: Vec<Delivery>) {
        if deliveries.is_empty() {
            return;
        }
        self.shared.tell(|state| {
            state.queued_bytes += deliveries.iter().map(|delivery| delivery.message.size()).sum::<usize>();
            state.queue.extend(deliveries);
        });
    }

    /// What the server says about a pull.
    pub(super) fn status(&mut self, message: &Wire) -> Result<Option<Turn>> {
        let text = message.description.as_deref().unwrap_or_default();
        let code = message.status.map_or(0, |status| status.as_u16());
        let left = message.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
        match code {
            100 => Ok(None),
            423 => Ok(Some(Turn::Again)),
            409 if text.contains("Consumer Deleted") || text.contains("onsumer is push") => {
                Err(error(ErrorKind::Topology, "consume", format!("consumer `{}`: {text}", self.name)))
            }
            400 => Err(error(ErrorKind::Topology, "consume", format!("consumer `{}`: {text}", self.name))),
            503 => Err(error(ErrorKind::Connect, "consume", "JetStream does not answer")),
            _ => {
                let left = left.and_then(|left| left.as_str().parse().ok());
                self.outstanding = left.map_or(0, |left: usize| self.outstanding.saturating_sub(left));
                Ok(None)
            }
        }
    }

    async fn take(&mut self, wire: Wire, deliveries: &mut Vec<Delivery>) -> Result<Option<Turn>> {
        let Some(reply) = &wire.reply else { return Ok(None) };
        let Some(place) = Place::read(reply) else { return Ok(None) };
        self.outstanding = self.outstanding.saturating_sub(1);
        if self.mode == Mode::Competing {
            if let Some(position) = self.by_sequence.get(&place.sequence) {
                if let Some(held) = self.held.get_mut(position) {
                    held.reply = reply.to_string();
                }
                return Ok(None);
            }
        } else {
            let pin = wire.headers.as_ref().and_then(|headers| headers.get("Nats-Pin-Id"));
            let is_other = self.mode == Mode::Pinned && pin.map(|pin| pin.as_str()) != self.pin.as_deref();
            // Something of it was lost on the way, or somebody else reset the consumer.
            if is_other || place.sequence <= self.last || place.delivered > 1 {
                return Ok(Some(Turn::Again));
            }
            self.last = place.sequence;
        }
        let header = |name: &str| {
            let value = wire.headers.as_ref().and_then(|headers| headers.get(name))?;
            value.as_str().parse::<u64>().ok().map(Duration::from_millis)
        };
        let is_dated = [wire::EXPIRES, wire::DELAYED].iter().any(|name| header(name).is_some());
        let age = is_dated.then(|| place.age());
        let is_expired = header(wire::EXPIRES).is_some_and(|expires| age.is_some_and(|age| age >= expires));
        let age = age.map(|age| age + header(wire::DELAYED).unwrap_or_default());
        if is_expired || !topic::matches(&self.subscription.filter, &wire.subject) {
            self.acknowledge(vec![reply.to_string()]).await?;
            return Ok(None);
        }
        let past = self.past(&place, age).await?;
        let message = wire::message(wire.headers.as_ref(), &wire.payload);
        let (subject, reply) = (wire.subject.to_string(), reply.to_string());
        deliveries.push(self.delivery(&subject, message, reply, &place, past));
        Ok(None)
    }

    pub(super) fn delivery(
        &mut self,
        subject: &str,
        message: Message,
        reply: String,
        place: &Place,
        past: Option<Past>,
    ) -> Delivery {
        if self.topic.as_str() != subject {
            self.topic = Topic::from(subject);
        }
        let token = Token { partition: self.partition, generation: self.generation, position: self.position };
        self.position += 1;
        let crashes = past.map_or(0, |past| past.crashes);
        let (sequence, delivered) = (place.sequence, place.delivered);
        self.held.insert(token.position, Held { reply, sequence, delivered, crashes });
        if self.mode == Mode::Competing {
            self.by_sequence.insert(sequence, token.position);
        }
        Delivery {
            token,
            topic: self.topic.clone(),
            message,
            partition: None,
            position: Some(Position::new(sequence)),
            past: past.map(Box::new),
        }
    }

    async fn past(&self, place: &Place, age: Option<Duration>) -> Result<Option<Past>> {
        let known = match self.mode {
            Mode::Pinned => self.journal.past(place.sequence),
            Mode::Alone => None,
            Mode::Competing if place.delivered > 1 => {
                let subject = self.single(place.sequence);
                let known =
                    letters::last(&self.link, names::STATE, &subject, self.options.request_timeout).await?;
                Some(Single::past(known.map(|known| Single::read(known.payload())), place.delivered))
            }
            Mode::Competing => None,
        };
        Ok(match (known, age) {
            (None, None) => None,
            (known, age) => Some(Past { age, ..known.unwrap_or_default() }),
        })
    }

    /// Where it is kept what is known of one delivery.
    pub(super) fn single(&self, sequence: u64) -> String {
        format!("{}.{sequence}", names::state(&self.source.stream, &self.name))
    }

    async fn told(&mut self) -> Result<Option<Turn>> {
        let (settled, record, is_closing, is_dropped) = {
            let mut state = self.shared.lock();
            let record = match state.record {
                Record::Asked(token) => Some(token),
                Record::Idle | Record::Done(..) => None,
            };
            (std::mem::take(&mut state.settled), record, state.is_closing, state.is_dropped)
        };
        if is_dropped && !is_closing {
            return Ok(Some(Turn::End));
        }
        let mut replies = Vec::with_capacity(settled.len());
        for token in settled.iter().filter(|token| token.generation == self.generation) {
            if let Some(held) = self.held.remove(&token.position) {
                self.by_sequence.remove(&held.sequence);
                replies.push(held.reply);
            }
        }
        self.acknowledge(replies).await?;
        if let Some(token) = record {
            let result = self.record(token).await;
            self.shared.tell(|state| {
                if matches!(state.record, Record::Asked(asked) if asked == token) {
                    state.record = Record::Done(token, result);
                }
            });
        }
        if is_closing {
            let limit = self.options.request_timeout * 2;
            let result = match timeout(limit, self.finish()).await {
                Ok(result) => result,
                Err(_) => Err(asked("close", "acknowledging what is settled", "timed out")),
            };
            self.shared.tell(|state| state.closed = Some(result));
            return Ok(Some(Turn::End));
        }
        Ok(None)
    }

    /// Acknowledges, and asks that the last of it is confirmed.
    pub(super) async fn acknowledge(&mut self, replies: Vec<String>) -> Result<()> {
        let count = replies.len();
        let answer = format!("{}.a", self.inbox);
        for (nth, reply) in (1..).zip(replies) {
            self.unconfirmed.push_back(reply.clone());
            let answer = (nth == count).then(|| answer.clone());
            self.send(reply, answer, "+ACK".to_owned()).await?;
        }
        if count > 0 {
            self.batches.push_back(count);
        }
        Ok(())
    }

    /// Waits until everything that was acknowledged has arrived.
    pub(super) async fn confirm(&mut self) -> Result<()> {
        self.batches.clear();
        while let Some(reply) = self.unconfirmed.pop_front() {
            if self.unconfirmed.is_empty() {
                let limit = self.options.request_timeout;
                self.link.ask("acknowledge", reply, "+ACK".to_owned(), limit).await?;
            } else {
                self.send(reply, None, "+ACK".to_owned()).await?;
            }
        }
        Ok(())
    }
}

/// What the address of an acknowledgement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// How often it was delivered, this time included.
    pub(super) delivered: u64,
    pub(super) sequence: u64,
    /// When it was stored, in nanoseconds since 1970.
    stored: u64,
}

impl Place {
    /// `$JS.ACK.stream.consumer.delivered.sequence.consumer sequence.time.pending`, or with a domain and an account
    /// before the stream.
    pub(super) fn read(reply: &str) -> Option<Self> {
        let words: Vec<&str> = reply.split('.').collect();
        let first = match words.len() {
            9 => 4,
            11.. => 6,
            _ => return None,
        };
        let number = |at: usize| words.get(first + at).and_then(|word| word.parse().ok());
        Some(Self { delivered: number(0)?, sequence: number(1)?, stored: number(3)? })
    }

    pub(super) const fn of(sequence: u64) -> Self {
        Self { delivered: 1, sequence, stored: 0 }
    }

    fn age(&self) -> Duration {
        super::since_epoch().saturating_sub(Duration::from_nanos(self.stored))
    }
}

/// Whether another client is pinned.
fn is_unpinned(message: &Wire) -> bool {
    message.status.is_some_and(|status: StatusCode| status.as_u16() == 423)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_a_delivery_is() {
        let place = Place::read("$JS.ACK.shop.billing=shop.2.17.5.1795535582972247345.9").unwrap();
        assert_eq!((place.delivered, place.sequence, place.stored), (2, 17, 1_795_535_582_972_247_345));
        let long = Place::read("$JS.ACK._.hash.shop.c.1.3.3.1795535582972247345.0.x").unwrap();
        assert_eq!((long.delivered, long.sequence), (1, 3));
        assert_eq!(Place::read("$JS.ACK.shop"), None);
    }
}
