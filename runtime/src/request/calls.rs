//! The calls of one bus that wait for their replies, and the task that reads those.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;
use tokio::sync::{oneshot, watch};

use super::text_of;
use crate::{
    backend::{Backend, Consumer, Delivery, Floor, Intake, Room, Subscription, Token},
    error::{Error, ErrorKind, Result},
    message::{Attribute, Message},
    plan::instance,
    policy::{Limits, Order, Start},
    reply,
    topic::Topic,
};

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
pub(super) struct Call {
    calls: Arc<Calls>,
    pub(super) name: String,
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

    pub(super) fn begin(self: &Arc<Self>) -> Result<Call> {
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

    /// Where the replies to this instance go.
    pub(super) fn topic(&self) -> &Topic {
        &self.shared.topic
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

impl Call {
    /// The reply; or why there will be none, which who drops the sender says first.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message>> {
        let why = || self.calls.shared.lock().over.clone().unwrap_or_else(closed);
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.map_err(|_| why()))
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
