//! A broker in memory with something wrong about it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::time::Instant;
use typebus::{
    Error, ErrorKind, IntoBackend, Result,
    backend::{
        Attribute, Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, Floor, Intake, Message,
        Outgoing, Partitions, Plan, Publishing, Room, Subscription, Token, Topic,
    },
};
use typebus_tests::Seen;

/// What is wrong with it; everything else goes to the broker of its URL.
pub(crate) struct Wrapped {
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) capabilities: Capabilities,
    /// Answers a publication in place of the broker.
    pub(crate) publish: fn(&Outgoing) -> Option<Publishing>,
    /// Refuses a subscription.
    pub(crate) subscribe: fn(&Subscription) -> Option<Error>,
    /// Everything that was to be published.
    pub(crate) sent: Seen<Outgoing>,
    /// Everything that was to be provisioned.
    pub(crate) plans: Seen<Plan>,
    /// Deliveries tell how long ago they were published, through any of these.
    pub(crate) tells_age: bool,
    /// From then on whoever reads replies is told that it cannot go on.
    pub(crate) breaks: Arc<AtomicBool>,
}

impl Wrapped {
    /// One with which nothing is wrong yet.
    pub(crate) fn new(url: &str) -> Self {
        let inner = url.into_backend().unwrap();
        Self {
            capabilities: inner.capabilities(),
            inner,
            publish: |_| None,
            subscribe: |_| None,
            sent: Seen::default(),
            plans: Seen::default(),
            tells_age: false,
            breaks: Arc::default(),
        }
    }
}

impl Backend for Wrapped {
    fn system(&self) -> &'static str {
        "wrapped"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        self.plans.push(plan.clone());
        self.inner.provision(plan)
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        self.sent.push(outgoing.clone());
        if let Some(id) = id(&outgoing.message) {
            birthdays().insert(id, Instant::now());
        }
        (self.publish)(&outgoing).unwrap_or_else(|| self.inner.publish(outgoing))
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        match (self.subscribe)(subscription) {
            Some(error) => Box::pin(async { Err(error) }),
            None if self.tells_age => Box::pin(async move {
                let inner = self.inner.subscribe(subscription).await?;
                let breaks = subscription.filter.starts_with("reply.").then(|| Arc::clone(&self.breaks));
                Ok(Box::new(Aged { inner, breaks }) as Box<dyn Consumer>)
            }),
            None => self.inner.subscribe(subscription),
        }
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        self.inner.caught_up(subscription)
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        self.inner.browse(topic)
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        self.inner.discard(topic, letters)
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wrapped").field(&self.inner).finish()
    }
}

/// When messages were published last, by their ids, which no two tests share.
fn birthdays() -> MutexGuard<'static, HashMap<Vec<u8>, Instant>> {
    static BIRTHDAYS: LazyLock<Mutex<HashMap<Vec<u8>, Instant>>> = LazyLock::new(Mutex::default);
    BIRTHDAYS.lock().unwrap()
}

fn id(message: &Message) -> Option<Vec<u8>> {
    message.attribute(Attribute::Id).map(<[u8]>::to_vec)
}

/// Its deliveries tell their age.
#[derive(Debug)]
struct Aged {
    inner: Box<dyn Consumer>,
    breaks: Option<Arc<AtomicBool>>,
}

impl Consumer for Aged {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        if self.breaks.as_ref().is_some_and(|breaks| breaks.load(Ordering::Relaxed)) {
            return Poll::Ready(Err(Error::new(ErrorKind::Permission, "consume", "the queue was deleted")));
        }
        let polled = self.inner.poll_batch(cx, room, into);
        for delivery in into {
            let born = id(&delivery.message).and_then(|id| birthdays().get(&id).copied());
            if let Some(born) = born {
                delivery.past.get_or_insert_default().age = Some(born.elapsed());
            }
        }
        polled
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        self.inner.settle(settled, floors);
    }

    fn release(&mut self, partitions: &Partitions) {
        self.inner.release(partitions);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_close(cx)
    }
}
