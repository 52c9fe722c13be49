//! A backend that calls things by other names than the program does.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::Names;
use crate::{
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, Floor, Intake, Note, Outgoing,
        Partitions, Plan, Publishing, Room, Subscription, Token,
    },
    error::{Error, ErrorKind, Result},
    topic::{MAX_BYTES, Topic, is_pattern},
};

/// The most topics of a pattern whose own name is remembered; others are made anew for each delivery.
const REMEMBERED: usize = 4_096;

/// Every name goes out as the broker's, and every topic of a delivery comes in as the program's. Nothing else changes:
/// whatever a backend promises, this one does.
pub(crate) struct Renamed {
    inner: Arc<dyn Backend>,
    names: Arc<Names>,
    /// The broker's names of the topics that are known before anything is published.
    known: HashMap<Topic, Topic>,
}

impl Renamed {
    pub(super) fn new(inner: Arc<dyn Backend>, names: Names, plan: &Plan) -> Self {
        let known = names.known(plan);
        Self { inner, names: Arc::new(names), known }
    }

    /// A topic on its way out. One with a field in it is not known before, and neither is its length.
    fn outward(&self, own: &Topic) -> Result<Topic> {
        if let Some(known) = self.known.get(own) {
            return Ok(known.clone());
        }
        let topic = self.names.outward(own);
        if topic.len() > MAX_BYTES {
            let text = format!(
                "\"{own}\" becomes \"{topic}\" of {} bytes, and a topic has at most {MAX_BYTES}",
                topic.len()
            );
            return Err(Error::new(ErrorKind::InvalidTopic, "publish", text).at(self.inner.system()));
        }
        Ok(topic)
    }
}

impl Backend for Renamed {
    fn system(&self) -> &'static str {
        self.inner.system()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        let plan = self.names.plan(plan);
        Box::pin(async move { self.inner.provision(&plan).await })
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        match self.outward(&outgoing.topic) {
            Ok(topic) => self.inner.publish(Outgoing { topic, ..outgoing }),
            Err(error) => Publishing::ready(Err(error)),
        }
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        let outward = self.names.subscription(subscription);
        Box::pin(async move {
            let inner = self.inner.subscribe(&outward).await?;
            let own = Own::new(&self.names, &subscription.filter, &outward.filter);
            Ok(Box::new(RenamedConsumer { inner, own }) as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        let subscription = self.names.subscription(subscription);
        Box::pin(async move { self.inner.caught_up(&subscription).await })
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        let outward = self.names.outward(topic);
        Box::pin(async move {
            let inner = self.inner.browse(&outward).await?;
            let own = Own::new(&self.names, topic, &outward);
            Ok(Box::pin(RenamedStream { inner, own }) as BoxStream<Result<Delivery>>)
        })
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        let outward = self.names.outward(topic);
        Box::pin(async move { self.inner.discard(&outward, letters).await })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}

impl fmt::Debug for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renamed").field("names", &self.names).field("inner", &self.inner).finish()
    }
}

/// The program's own names of the topics that arrive.
#[derive(Debug)]
struct Own {
    names: Arc<Names>,
    /// What arrived, by the broker's name. What is subscribed to by an exact name has one entry and needs no other.
    seen: HashMap<Topic, Topic>,
}

impl Own {
    fn new(names: &Arc<Names>, own: &Topic, broker: &Topic) -> Self {
        let exact = (!is_pattern(own)).then(|| (broker.clone(), own.clone()));
        Self { names: Arc::clone(names), seen: exact.into_iter().collect() }
    }

    fn translate(&mut self, delivery: &mut Delivery) {
        if let Some(own) = self.seen.get(&delivery.topic) {
            delivery.topic = own.clone();
            return;
        }
        let own = self.names.inward(&delivery.topic);
        let broker = std::mem::replace(&mut delivery.topic, own.clone());
        if self.seen.len() < REMEMBERED {
            self.seen.insert(broker, own);
        }
    }
}

#[derive(Debug)]
struct RenamedConsumer {
    inner: Box<dyn Consumer>,
    own: Own,
}

impl Consumer for RenamedConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let before = into.len();
        let polled = self.inner.poll_batch(cx, room, into);
        into.iter_mut().skip(before).for_each(|delivery| self.own.translate(delivery));
        polled
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        self.inner.settle(settled, floors);
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        self.inner.poll_record(cx, suspect)
    }

    fn note(&mut self, notes: &[Note]) {
        self.inner.note(notes);
    }

    fn release(&mut self, partitions: &Partitions) {
        self.inner.release(partitions);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_close(cx)
    }
}

struct RenamedStream {
    inner: BoxStream<Result<Delivery>>,
    own: Own,
}

impl Stream for RenamedStream {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { inner, own } = &mut *self;
        let next = std::task::ready!(inner.as_mut().poll_next(cx));
        Poll::Ready(next.map(|delivery| {
            delivery.map(|mut delivery| {
                own.translate(&mut delivery);
                delivery
            })
        }))
    }
}
