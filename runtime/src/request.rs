//! Requests of a program: the calls that wait for their replies, and the task that reads them.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use atomic_waker::AtomicWaker;
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use crate::{
    backend::{
        Backend, Consumer, Delivery, Floor, Intake, Outgoing, Room, SendOptions, Sender, Subscription, Token,
    },
    error::{Error, ErrorKind, Result},
    event::Reply,
    message::{Attribute, Message},
    outlet::Outlet,
    outputs::short,
    plan::instance,
    policy::{Limits, Order, Start},
    publish::Publish,
    reply::{self, Answer},
    topic::Topic,
};

/// A request that is to be answered by an `R`. The event is encoded already; it is sent when this is awaited, and the
/// await gives the reply.
///
/// ```
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// # use typebus::prelude::*;
/// # #[derive(Serialize, Deserialize, JsonSchema)]
/// # struct Quote { cents: u64 }
/// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// # #[event(topic = "prices.quotes", reply = Quote)]
/// # struct GetQuote { sku: String }
/// # service! { Shop = "shop" { publishes: [GetQuote] } }
/// # async fn ask(bus: &Bus<Shop>) -> typebus::Result<()> {
/// let quote = bus.request(&GetQuote { sku: "mug".into() }).timeout(Duration::from_secs(2)).await?;
/// tracing::info!(quote.cents, "asked");
/// # Ok(())
/// # }
/// ```
///
/// A request is handled at least once, like every event, and answered at most once: the reply is sent once, and the
/// first one counts. It expires with its time-out: what nobody waits for any more is not run.
///
/// # Errors
/// * `Timeout`: there was no reply in time. Nobody may handle it, its handler may be too slow or have died, the reply
///   may be lost: a time-out cannot tell. The request may have been carried out
///   ([`outcome_unknown`](Error::outcome_unknown)).
/// * `NoReplier`: the broker knows that nobody receives it.
/// * `RequestFailed`: its handler gave it up, after all attempts; the message has the reason and the error. Or the
///   reply is no `R`.
/// * `Closed`: the bus was stopped.
/// * What publishing it answers; `Config`: a time-out of 0.
///
/// # Cancel safety
/// Dropped before the first poll nothing is sent. Dropped later, the reply is not waited for any more; the request may
/// be handled all the same.
#[must_use = "a request is not sent until it is awaited"]
pub struct Requesting<R> {
    stage: Stage,
    reply: PhantomData<fn() -> R>,
}

enum Stage {
    Draft(Box<Draft>),
    Asked(Pin<Box<dyn Future<Output = Result<Message>> + Send>>),
    Over,
}

struct Draft {
    publish: Publish,
    outlet: Arc<Outlet>,
    calls: Option<Arc<Calls>>,
    timeout: Duration,
}

impl<R> Requesting<R> {
    pub(crate) fn new(
        publish: Publish,
        outlet: &Arc<Outlet>,
        calls: Option<&Arc<Calls>>,
        timeout: Duration,
    ) -> Self {
        let draft = Draft { publish, outlet: Arc::clone(outlet), calls: calls.map(Arc::clone), timeout };
        Self { stage: Stage::Draft(Box::new(draft)), reply: PhantomData }
    }

    fn change(mut self, change: impl FnOnce(Draft) -> Draft) -> Self {
        if let Stage::Draft(draft) = self.stage {
            self.stage = Stage::Draft(Box::new(change(*draft)));
        }
        self
    }

    /// Waits for the reply so long, beginning with the await, instead of [`Tuning::request_timeout`] (30 s).
    ///
    /// [`Tuning::request_timeout`]: crate::Tuning::request_timeout
    pub fn timeout(self, timeout: Duration) -> Self {
        self.change(|draft| Draft { timeout, ..draft })
    }

    /// Replaces the key, as [`Publish::key`] does.
    pub fn key(self, key: impl Into<String>) -> Self {
        self.change(|draft| Draft { publish: draft.publish.key(key), ..draft })
    }

    /// Adds a header, as [`Publish::header`] does.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(|draft| Draft { publish: draft.publish.header(name, value), ..draft })
    }
}

impl<R: Reply> Future for Requesting<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        if let Stage::Draft(_) = self.stage
            && let Stage::Draft(draft) = std::mem::replace(&mut self.stage, Stage::Over)
        {
            self.stage = Stage::Asked(Box::pin(draft.ask()));
        }
        let Stage::Asked(asked) = &mut self.stage else { return Poll::Pending };
        let answer = std::task::ready!(asked.as_mut().poll(cx));
        self.stage = Stage::Over;
        Poll::Ready(answer.and_then(|reply| understand(&reply)))
    }
}

impl<R> fmt::Debug for Requesting<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, publish) = match &self.stage {
            Stage::Draft(draft) => ("draft", Some(&draft.publish)),
            Stage::Asked(_) => ("asked", None),
            Stage::Over => ("over", None),
        };
        f.debug_struct("Requesting").field("stage", &stage).field("publish", &publish).finish()
    }
}

impl Draft {
    /// Sends the request and waits for the reply.
    async fn ask(self: Box<Self>) -> Result<Message> {
        let Self { publish, outlet, calls, timeout: time } = *self;
        let error = |kind, text: String| Error::new(kind, "request", text).at(outlet.backend.system());
        let (topic, event) = publish.prepare()?.into_parts();
        if time.is_zero() {
            return Err(error(ErrorKind::Config, "a time-out of 0 waits for no reply; say more".to_owned()));
        }
        let Some(calls) = calls else {
            let text = "the service has no request among its `publishes`, so nothing reads the replies";
            return Err(error(ErrorKind::Unsupported, text.to_owned()));
        };
        let kind = text_of(&event, Attribute::Type).to_owned();
        let mut call = calls.begin()?;
        let message = reply::request(&event, &calls.shared.topic, &call.name, time);
        if !message.is_sound() {
            let text = format!("{kind} has no room for the 3 headers of a request; give it fewer of its own");
            return Err(error(ErrorKind::InvalidHeader, text));
        }
        outlet.fits(&kind, &message)?;
        let options = Some(Box::new(SendOptions { expires_in: Some(time), ..SendOptions::default() }));
        let outgoing = Outgoing { topic: topic.clone(), message, sender: Sender::Program, options };
        let mut publishing = Some(outlet.send(outgoing));
        let answered = poll_fn(|cx| {
            if let Some(Poll::Ready(confirmed)) = publishing.as_mut().map(|sent| Pin::new(sent).poll(cx)) {
                publishing = None;
                match confirmed {
                    Ok(_) => outlet.count(&topic),
                    Err(unroutable) if unroutable.kind() == ErrorKind::Unroutable => {
                        let text = format!(
                            "nobody handles {kind} on {topic}: {unroutable}; start the service that answers it"
                        );
                        return Poll::Ready(Err(error(ErrorKind::NoReplier, text).because(unroutable)));
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            // Who drops the sender says why.
            Pin::new(&mut call.answer).poll(cx).map(|answer| answer.map_err(|_| calls.why_over()))
        });
        timeout(time, answered).await.unwrap_or_else(|_| {
            let text = format!(
                "no reply to {kind} on {topic} within {time:?}: nobody handles it, its handler is too slow or has died, \
                 or the reply is lost; it may have been carried out; ask again if it bears repeating, or wait longer with \
                 `.timeout(..)`"
            );
            Err(error(ErrorKind::Timeout, text).with_unknown_outcome())
        })
    }
}

/// Reads the reply.
fn understand<R: Reply>(reply: &Message) -> Result<R> {
    let failed = |text: String| Error::new(ErrorKind::RequestFailed, "request", text);
    let from = text_of(reply, Attribute::Source);
    match reply::read(reply) {
        Some((_, Answer::Payload(payload))) => R::read(payload).map_err(|error| {
            let wanted = std::any::type_name::<R>();
            failed(format!("the reply of service {from:?} is no {wanted}: {}", short(&error))).because(error)
        }),
        Some((_, Answer::Refusal(reason, error))) => {
            Err(failed(format!("service {from:?} gave it up ({}): {}", short(&reason), short(&error))))
        }
        None => Err(failed(format!("the reply of service {from:?} cannot be read"))),
    }
}

fn text_of(message: &Message, attribute: Attribute) -> &str {
    std::str::from_utf8(message.attribute(attribute).unwrap_or_default()).unwrap_or_default()
}

/// The calls of one bus that wait for their replies. Dropped with its last user, it ends the task that reads them.
pub(crate) struct Calls {
    shared: Arc<Shared>,
}

struct Shared {
    /// Where the replies to this instance go.
    topic: Topic,
    waiting: Mutex<Waiting>,
    late: AtomicU64,
    /// Of the task.
    waker: AtomicWaker,
    /// Whether the task has ended.
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<String, oneshot::Sender<Message>>,
    /// Why there will be no more replies.
    over: Option<Error>,
}

/// One call, forgotten when it is dropped.
struct Call {
    calls: Arc<Calls>,
    name: String,
    answer: oneshot::Receiver<Message>,
}

impl Calls {
    /// For an instance of `service`, with the subscription to its replies.
    pub(crate) fn new(service: &str, limits: Limits) -> (Self, Subscription) {
        let instance = instance();
        let topic = reply::topic(service, &instance);
        let subscription = Subscription {
            group: service.to_owned(),
            filter: topic.clone(),
            order: Order::None,
            start: Some(Start::Latest),
            limits,
            instance: Some(instance),
        };
        let shared = Shared {
            topic,
            waiting: Mutex::default(),
            late: AtomicU64::new(0),
            waker: AtomicWaker::new(),
            ended: watch::Sender::new(true),
        };
        (Self { shared: Arc::new(shared) }, subscription)
    }

    /// Begins to consume the replies. The task that is returned does it, until the calls are closed.
    pub(crate) async fn listen(
        &self,
        backend: &dyn Backend,
        subscription: &Subscription,
    ) -> Result<impl Future<Output = ()> + Send + use<>> {
        let consumer = backend.subscribe(subscription).await?;
        self.shared.ended.send_replace(false);
        let listening = Listening { shared: Arc::clone(&self.shared), room: room(&subscription.limits) };
        Ok(listening.run(consumer))
    }

    fn begin(self: &Arc<Self>) -> Result<Call> {
        let (sender, answer) = oneshot::channel();
        let name = format!("{:032x}", fastrand::u128(..));
        let mut waiting = self.shared.lock();
        if let Some(error) = &waiting.over {
            return Err(error.clone());
        }
        waiting.calls.insert(name.clone(), sender);
        drop(waiting);
        Ok(Call { calls: Arc::clone(self), name, answer })
    }

    fn why_over(&self) -> Error {
        self.shared.lock().over.clone().unwrap_or_else(closed)
    }

    /// Replies for which nobody waited.
    pub(crate) fn late(&self) -> u64 {
        self.shared.late.load(Ordering::Relaxed)
    }

    /// Ends every call with `Closed`, and completes when the consumer is closed.
    pub(crate) async fn close(&self) {
        self.shared.end(closed());
        let mut ended = self.shared.ended.subscribe();
        // The sender lives in `shared`.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "request", "the bus was stopped; its replies are not read any more")
}

fn room(limits: &Limits) -> Room {
    Room { count: limits.held, bytes: limits.held_bytes }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.shared.end(closed());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.shared.lock().calls.remove(&self.name);
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.shared.lock().calls.len();
        f.debug_struct("Calls").field("topic", &self.shared.topic).field("waiting", &waiting).finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There are no more replies; the first reason stays.
    fn end(&self, why: Error) {
        let mut waiting = self.lock();
        waiting.over.get_or_insert(why);
        let calls = std::mem::take(&mut waiting.calls);
        drop(waiting);
        drop(calls);
        self.waker.wake();
    }

    /// Gives a reply to whoever waits for it.
    fn resolve(&self, delivery: &Delivery) {
        let call = reply::read(&delivery.message).map(|(call, _)| call);
        let waiting = call.and_then(|call| self.lock().calls.remove(call));
        if waiting.is_none_or(|call| call.send(delivery.message.clone()).is_err()) {
            self.late.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(
                messaging.message.id = text_of(&delivery.message, Attribute::Id),
                "nobody waits for this reply any more"
            );
        }
    }
}

/// The task that reads the replies.
struct Listening {
    shared: Arc<Shared>,
    room: Room,
}

impl Listening {
    async fn run(self, mut consumer: Box<dyn Consumer>) {
        let mut arrived = Vec::new();
        while let Some(intake) = self.next(&mut *consumer, &mut arrived).await {
            match intake {
                Ok(Intake::Deliveries) => {
                    arrived.iter().for_each(|delivery| self.shared.resolve(delivery));
                    let tokens: Vec<Token> = arrived.drain(..).map(|delivery| delivery.token).collect();
                    consumer.settle(&tokens, &floors(&tokens));
                    // A consumer that always has more must not keep the thread for itself.
                    tokio::task::yield_now().await;
                }
                Ok(Intake::Revoking(partitions)) => consumer.release(&partitions),
                Ok(Intake::Lost(_)) => {}
                Ok(Intake::End) => break,
                Err(error) => {
                    tracing::error!(topic = %self.shared.topic, %error, "replies cannot be read any more");
                    let text = format!("replies cannot be read any more: {error}");
                    self.shared.end(Error::new(ErrorKind::Fatal, "request", text).because(error));
                    return;
                }
            }
        }
        if let Err(error) = poll_fn(|cx| consumer.poll_close(cx)).await {
            tracing::warn!(topic = %self.shared.topic, %error, "the consumer of replies did not close cleanly");
        }
    }

    /// What the consumer says next; `None` when the calls are closed.
    async fn next(&self, consumer: &mut dyn Consumer, into: &mut Vec<Delivery>) -> Option<Result<Intake>> {
        poll_fn(|cx| {
            self.shared.waker.register(cx.waker());
            if self.shared.lock().over.is_some() {
                return Poll::Ready(None);
            }
            consumer.poll_batch(cx, self.room, into).map(Some)
        })
        .await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shared.end(closed());
        self.shared.ended.send_replace(true);
    }
}

/// Everything is settled as it arrives, so a floor stands behind the last of each partition.
fn floors(tokens: &[Token]) -> Vec<Floor> {
    let mut floors: Vec<Floor> = Vec::new();
    for Token { partition, generation, position } in tokens.iter().copied() {
        let next = Floor { partition, generation, position: position.saturating_add(1) };
        match floors.iter_mut().find(|floor| floor.partition == partition) {
            Some(floor) => *floor = next,
            None => floors.push(next),
        }
    }
    floors
}
