//! Consuming: one life of the channel after the other, each a generation of its own.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::{
    Core, caught_up,
    connect::Pace,
    incarnation::{Incarnation, Loss},
    journal::{self, Entry, Verdicts},
};
use crate::{
    backend::{Consumer, Delivery, Floor, Intake, Order, Partitions, Past, Room, Subscription, Token},
    error::Result,
};

type Work<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// One subscription's intake.
pub(super) struct RabbitConsumer {
    core: Arc<Core>,
    subscription: Arc<Subscription>,
    /// Of this consumer, in the journal.
    instance: String,
    state: State,
    generation: u32,
    pace: Pace,
    /// Lives in a row that ended by something unreadable, without an acknowledgement.
    deaths: u32,
    judge: Judge,
    /// What is known of deliveries that came again, by tag.
    suspects: HashMap<u64, Suspect>,
    recording: Option<(Option<Token>, Work<()>)>,
    /// The suspect that the journal says is running.
    recorded: Option<String>,
    /// When the first settlement that waits is to be acknowledged.
    due: Option<Pin<Box<Sleep>>>,
    answers: Vec<String>,
}

enum State {
    Up(Box<Incarnation>),
    Opening(Work<Incarnation>),
    Closing(Work<()>),
    Closed,
}

/// What is known of deliveries that come again.
enum Judge {
    /// Nothing; this life took no delivery yet.
    Fresh,
    /// It is being read, for deliveries up to this tag.
    Reading(u64, Work<Verdicts>),
    /// What was read for them.
    Known(u64, Verdicts),
    /// Nothing is to be known: nobody else has this queue.
    Nobody,
}

struct Suspect {
    known_as: String,
    crashes: u32,
    /// The journal says that it is running.
    is_recorded: bool,
}

/// After so many lives without an acknowledgement messages are taken one at a time.
const DEATHS: u32 = 2;
/// Acknowledgements after which one that takes one message at a time takes many again.
const RECOVERED: u64 = 50;

impl RabbitConsumer {
    /// Connects and begins to consume.
    ///
    /// # Errors
    /// As for [`Incarnation::open`].
    pub(super) async fn open(core: Arc<Core>, subscription: Subscription) -> Result<Self> {
        let first = Incarnation::open(&core, &subscription, 0, false).await?;
        let is_own = subscription.instance.is_some();
        Ok(Self {
            core,
            subscription: Arc::new(subscription),
            instance: format!("{:032x}", fastrand::u128(..)),
            state: State::Up(Box::new(first)),
            generation: 0,
            pace: Pace::default(),
            deaths: 0,
            judge: if is_own { Judge::Nobody } else { Judge::Fresh },
            suspects: HashMap::new(),
            recording: None,
            recorded: None,
            due: None,
            answers: Vec::new(),
        })
    }

    fn is_own(&self) -> bool {
        self.subscription.instance.is_some()
    }

    /// Begins another life.
    fn reopen(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        let (core, subscription) = (Arc::clone(&self.core), Arc::clone(&self.subscription));
        let (generation, careful) = (self.generation, self.deaths >= DEATHS);
        // What kills a connection is got rid of by dying often.
        let attempts = if careful { Some(0) } else { self.pace.next().checked_sub(1) };
        self.state = State::Opening(Box::pin(async move {
            if let Some(attempts) = attempts {
                Pace::wait(attempts, core.options.reconnect_max).await;
            }
            Incarnation::open(&core, &subscription, generation, careful).await
        }));
    }

    fn lose(&mut self, Loss { cause, is_unreadable }: &Loss, acknowledged: u64) {
        match (is_unreadable, acknowledged) {
            (true, 0) => self.deaths = self.deaths.saturating_add(1),
            (_, 0) => {}
            _ => self.deaths = 0,
        }
        let (group, filter) = (&self.subscription.group, &self.subscription.filter);
        tracing::warn!(%group, %filter, error = %cause, "the channel is lost; what was unsettled comes again");
        self.forget();
        self.reopen();
    }

    /// Forgets what belongs to a life that is over.
    fn forget(&mut self) {
        self.suspects.clear();
        self.due = None;
        if let Some(known_as) = self.recorded.take() {
            // Nobody died.
            self.jot(Entry::Clear { suspect: known_as });
        }
        if !self.is_own() {
            self.judge = Judge::Fresh;
        }
    }

    /// Appends to the journal without waiting.
    fn jot(&self, entry: Entry) {
        let (core, group) = (Arc::clone(&self.core), self.subscription.group.clone());
        let mut append: Work<()> = Box::pin(async move { journal::append(&core, &group, &entry).await });
        // The first poll hands it to the publisher, which keeps the order.
        let _ = append.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    }

    fn acknowledge(&mut self) {
        self.due = None;
        let State::Up(life) = &mut self.state else { return };
        life.acknowledge(&mut self.answers);
        for nonce in self.answers.drain(..) {
            caught_up::answer(&self.core, &nonce, &self.instance);
        }
    }

    /// Acknowledges what waits, when its time has come.
    fn keep_rhythm(&mut self, cx: &mut Context<'_>) {
        let State::Up(life) = &mut self.state else { return };
        let options = &self.core.options;
        let pending = life.tags.pending();
        let is_due = pending >= options.ack_count
            || (pending > 0 && options.ack_delay.is_zero())
            || life.has_answer()
            || match (&mut self.due, pending) {
                (_, 0) => false,
                (Some(due), _) => due.as_mut().poll(cx).is_ready(),
                (None, _) => {
                    let mut due = Box::pin(sleep(options.ack_delay));
                    let is_ready = due.as_mut().poll(cx).is_ready();
                    self.due = Some(due);
                    is_ready
                }
            };
        if is_due {
            self.acknowledge();
        }
    }

    /// Learns what is to be known of the delivery at the front; `false` if that takes a while.
    fn judge(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let State::Up(life) = &self.state else { return Poll::Ready(Ok(())) };
            let (Some(front), Some(last)) = (life.buffer.front(), life.buffer.back()) else {
                return Poll::Ready(Ok(()));
            };
            let is_begin = match &mut self.judge {
                Judge::Nobody => return Poll::Ready(Ok(())),
                Judge::Known(covers, _) if front.again.is_none() || front.tag <= *covers => {
                    return Poll::Ready(Ok(()));
                }
                Judge::Reading(covers, reading) => match reading.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(read) => {
                        self.judge = Judge::Known(*covers, read?);
                        continue;
                    }
                },
                Judge::Fresh => true,
                Judge::Known(..) => false,
            };
            let covers = last.tag;
            self.judge = Judge::Reading(covers, self.read(is_begin));
        }
    }

    fn read(&self, is_begin: bool) -> Work<Verdicts> {
        let (core, subscription) = (Arc::clone(&self.core), Arc::clone(&self.subscription));
        let queue = core.names.queue(&subscription).to_string();
        let instance = self.instance.clone();
        let entry = match is_begin {
            true => Entry::Active { queue: queue.clone(), instance: instance.clone() },
            false => Entry::Look { nonce: instance.clone() },
        };
        let competing = subscription.order == Order::None;
        Box::pin(async move {
            let mut pace = Pace::default();
            loop {
                let whose = (queue.as_str(), instance.as_str(), competing);
                match journal::read(&core, &subscription.group, whose, &entry).await {
                    Err(failed) if failed.is_transient() => {
                        tracing::warn!(error = %failed, "the journal of crashes cannot be read yet");
                        Pace::wait(pace.next(), core.options.reconnect_max).await;
                    }
                    done => return done,
                }
            }
        })
    }

    /// Hands out what there is room for.
    fn deliver(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let (mut count, mut bytes) = (0, 0);
        while count < room.count && bytes < room.bytes {
            match self.judge(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failed)) => return Poll::Ready(Err(failed)),
                Poll::Pending => break,
            }
            let State::Up(life) = &mut self.state else { break };
            let Some(front) = life.buffer.front() else { break };
            let size = front.message.size();
            if count > 0 && bytes + size > room.bytes {
                break;
            }
            let Some(mut arrived) = life.buffer.pop_front() else { break };
            (count, bytes) = (count + 1, bytes + size);
            let (tag, again) = (arrived.tag, arrived.again.take());
            let mut delivery = arrived.into_delivery(life.generation);
            if let (Some(known_as), Judge::Known(_, verdicts)) = (again, &self.judge)
                && let Some(crashes) = verdicts.crashes(&known_as)
            {
                delivery.past = Some(Box::new(Past { suspect: true, crashes, ..Past::default() }));
                let is_recorded = verdicts.is_recorded(&known_as);
                self.suspects.insert(tag, Suspect { known_as, crashes, is_recorded });
            }
            into.push(delivery);
        }
        if count == 0 { Poll::Pending } else { Poll::Ready(Ok(Intake::Deliveries)) }
    }

    /// One that took messages one at a time, and goes on well, takes many again.
    fn recover(&mut self) -> bool {
        let State::Up(life) = &self.state else { return false };
        let is_idle = life.buffer.is_empty() && !life.tags.is_holding();
        if self.deaths < DEATHS || life.acknowledged < RECOVERED || !is_idle {
            return false;
        }
        self.deaths = 0;
        self.forget();
        self.pace.reset();
        self.reopen();
        true
    }
}

impl Consumer for RabbitConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        loop {
            match &mut self.state {
                State::Closing(_) | State::Closed => return Poll::Pending,
                State::Opening(opening) => match std::task::ready!(opening.as_mut().poll(cx)) {
                    Ok(life) => {
                        self.state = State::Up(Box::new(life));
                    }
                    // A password that is changed meanwhile may come back; a queue that is gone does not.
                    Err(failed) if failed.is_transient() => {
                        tracing::warn!(group = %self.subscription.group, error = %failed, "the consumer cannot reconnect yet");
                        self.reopen();
                    }
                    Err(failed) => return Poll::Ready(Err(failed)),
                },
                State::Up(life) => {
                    if let Err(loss) = life.drain(&self.subscription, cx) {
                        let acknowledged = life.acknowledged;
                        self.lose(&loss, acknowledged);
                        return Poll::Ready(Ok(Intake::Lost(Partitions::All)));
                    }
                    self.keep_rhythm(cx);
                    if self.recover() {
                        return Poll::Ready(Ok(Intake::Lost(Partitions::All)));
                    }
                    return self.deliver(cx, room, into);
                }
            }
        }
    }

    fn settle(&mut self, settled: &[Token], _floors: &[Floor]) {
        let State::Up(life) = &mut self.state else { return };
        let mut cleared = Vec::new();
        for token in settled.iter().filter(|token| token.generation == life.generation) {
            life.tags.settle(token.position);
            if let Some(suspect) = self.suspects.remove(&token.position)
                && suspect.is_recorded
            {
                cleared.push(suspect.known_as);
            }
        }
        self.pace.reset();
        for suspect in cleared {
            if self.recorded.as_ref() == Some(&suspect) {
                self.recorded = None;
            }
            self.jot(Entry::Clear { suspect });
        }
        let State::Up(life) = &self.state else { return };
        let options = &self.core.options;
        if options.ack_delay.is_zero() || life.tags.pending() >= options.ack_count {
            self.acknowledge();
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        loop {
            if let Some((which, recording)) = &mut self.recording {
                let which = *which;
                let done = std::task::ready!(recording.as_mut().poll(cx));
                self.recording = None;
                match done {
                    Ok(()) if which == suspect => return Poll::Ready(Ok(())),
                    Ok(()) => {}
                    Err(failed) => return Poll::Ready(Err(failed)),
                }
            }
            let entry = match suspect {
                None => match self.recorded.take() {
                    Some(suspect) => Entry::Clear { suspect },
                    None => return Poll::Ready(Ok(())),
                },
                Some(token) => {
                    let is_ours = token.generation == self.generation;
                    let Some(known) = self.suspects.get_mut(&token.position).filter(|_| is_ours) else {
                        return Poll::Ready(Ok(()));
                    };
                    known.is_recorded = true;
                    self.recorded = Some(known.known_as.clone());
                    Entry::Run { suspect: known.known_as.clone(), crashes: known.crashes }
                }
            };
            let (core, group) = (Arc::clone(&self.core), self.subscription.group.clone());
            let record = async move {
                let mut pace = Pace::default();
                loop {
                    match journal::append(&core, &group, &entry).await {
                        Err(failed) if failed.is_transient() => {
                            Pace::wait(pace.next(), core.options.reconnect_max).await;
                        }
                        done => return done,
                    }
                }
            };
            self.recording = Some((suspect, Box::pin(record)));
        }
    }

    fn release(&mut self, _partitions: &Partitions) {
        // It never asks: a standby waits until this one is gone.
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            match &mut self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Closing(closing) => {
                    let done = std::task::ready!(closing.as_mut().poll(cx));
                    self.state = State::Closed;
                    return Poll::Ready(done);
                }
                State::Opening(_) => self.state = State::Closed,
                State::Up(_) => {
                    self.acknowledge();
                    let recorded = self.recorded.take();
                    let State::Up(life) = std::mem::replace(&mut self.state, State::Closed) else { continue };
                    let (core, subscription) = (Arc::clone(&self.core), Arc::clone(&self.subscription));
                    let took = matches!(self.judge, Judge::Known(..) | Judge::Reading(..));
                    let (queue, instance) =
                        (core.names.queue(&subscription).to_string(), self.instance.clone());
                    self.state = State::Closing(Box::pin(async move {
                        let until = Instant::now() + core.options.request_timeout.min(GRACE);
                        let tell = async {
                            if let Some(suspect) = recorded {
                                journal::append(&core, &subscription.group, &Entry::Clear { suspect })
                                    .await?;
                            }
                            if took {
                                let entry = Entry::Closed { queue, instance };
                                journal::append(&core, &subscription.group, &entry).await?;
                            }
                            Ok::<_, crate::error::Error>(())
                        };
                        // Whoever is next reads it before it judges what comes again, so it goes first.
                        if !matches!(tokio::time::timeout_at(until, tell).await, Ok(Ok(()))) {
                            tracing::warn!(
                                "it could not be noted that this consumer leaves: what it held is suspect"
                            );
                        }
                        life.close(&core, &subscription).await
                    }));
                }
            }
        }
    }
}

/// What a note at the end may take.
const GRACE: Duration = Duration::from_secs(5);

impl fmt::Debug for RabbitConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitConsumer")
            .field("subscription", &self.subscription)
            .field("generation", &self.generation)
            .field("deaths", &self.deaths)
            .finish_non_exhaustive()
    }
}
