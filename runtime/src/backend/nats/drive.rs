//! The task of one consumer: it pulls, renews leases, acknowledges, and notices when it has lost what it had.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_nats::{Message as Wire, Subject, Subscriber};
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{
    config::Nats,
    connect::{Link, News},
    consume::{Record, Shared},
    denied::not_allowed,
    failure::{asked, error},
    journal::Journal,
    names, not_provisioned,
    sources::Source,
    topology,
};
use crate::{
    backend::{Subscription, Topic},
    duration::FOR_EVER,
    error::{ErrorKind, Result},
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
    pub(super) reply: Subject,
    pub(super) sequence: u64,
    pub(super) delivered: u64,
    pub(super) crashes: u32,
}

pub(super) struct Driver {
    pub(super) options: Arc<Nats>,
    pub(super) subscription: Subscription,
    pub(super) source: Source,
    pub(super) name: String,
    pub(super) partition: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    pub(super) mode: Mode,
    /// Names this instance.
    pub(super) owner: String,
    pub(super) pin: Option<String>,
    pub(super) inbox: String,
    pub(super) answers: Option<Subscriber>,
    pub(super) generation: u32,
    pub(super) position: u64,
    pub(super) held: BTreeMap<u64, Held>,
    /// Positions by sequence, of what is held.
    pub(super) by_sequence: HashMap<u64, u64>,
    /// What was received last of this generation.
    pub(super) last: u64,
    pub(super) journal: Journal,
    /// Acknowledged, and not known to have arrived; in batches, each with one answer to come.
    pub(super) unconfirmed: VecDeque<Subject>,
    pub(super) batches: VecDeque<usize>,
    /// How many of the last of them are in no batch yet.
    pub(super) unasked: usize,
    pub(super) outstanding: usize,
    pub(super) heard: Instant,
    pub(super) lease: Duration,
    pub(super) pin_timeout: Duration,
    pub(super) next_progress: Instant,
    pub(super) next_keepalive: Instant,
    pub(super) timer: Pin<Box<Sleep>>,
    /// The ack floor when it was last looked at, and how often the connection ended since it moved.
    pub(super) floor: u64,
    pub(super) ends: u32,
    pub(super) topic: Topic,
    /// It has had the consumer before.
    pub(super) has_begun: bool,
}

/// What the task hears.
pub(super) enum Heard {
    Messages(Vec<Wire>),
    Told,
    Up,
    Down,
    Denied(String),
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
        let info = topology::consumer(&link, &stream, &name).await?.ok_or_else(missing)?;
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
            unasked: 0,
            outstanding: 0,
            heard: now,
            lease: info.config.ack_wait.max(Duration::from_millis(30)),
            pin_timeout: if pin_timeout.is_zero() { Duration::from_secs(120) } else { pin_timeout },
            next_progress: now,
            next_keepalive: now,
            timer: Box::pin(sleep(Duration::ZERO)),
            floor: 0,
            ends: 0,
            has_begun: false,
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
        // What was asked before is answered nowhere.
        self.batches.clear();
        self.unasked = self.unconfirmed.len();
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
            Mode::Competing => self.join_in().await?,
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
                Heard::Denied(subject) => return Err(not_allowed("consume", &subject)),
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
                    News::Denied(subject) => return Poll::Ready(Heard::Denied(subject)),
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
}
