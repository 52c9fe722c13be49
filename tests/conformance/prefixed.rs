//! A backend whose topics and groups are those of one trial, so that trials share a server and see nothing of each other.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use typebus::{
    Result,
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, Floor, Intake, Note, Outgoing,
        Partitions, Plan, Publishing, Room, Subscription, Token, Topic,
    },
};

/// Where the prefix of a topic stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "which of them there is a broker for depends on the features")]
pub(crate) enum Place {
    /// `prefix.shop.orders`: a token of its own, as the bus's own prefix is; `>` is everything of the trial.
    Token,
    /// `prefix-shop.orders`: of the first token, where a broker keeps topics together by it.
    FirstToken,
}

/// The names of a trial.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) prefix: String,
    pub(crate) place: Place,
}

impl Names {
    /// A topic or pattern on its way out. The first token of a reserved name says what it is, so the prefix follows it.
    fn outward(&self, own: &Topic) -> Topic {
        let prefix = &self.prefix;
        match own.split_once('.') {
            Some((first @ ("dead" | "reply"), rest)) => Topic::from(format!("{first}.{prefix}-{rest}")),
            _ if self.place == Place::Token => Topic::from(format!("{prefix}.{own}")),
            // Nothing can be part of a wildcard; the broker refuses it as it is.
            _ if own.starts_with(['*', '>']) => own.clone(),
            _ => Topic::from(format!("{prefix}-{own}")),
        }
    }

    /// The trial's name of a topic of the server.
    fn inward(&self, topic: &Topic) -> Topic {
        let prefix = &self.prefix;
        let bare = match topic.split_once('.') {
            Some((first @ ("dead" | "reply"), rest)) => rest
                .strip_prefix(prefix.as_str())
                .and_then(|rest| rest.strip_prefix('-'))
                .map(|rest| format!("{first}.{rest}")),
            _ => topic
                .strip_prefix(prefix.as_str())
                .and_then(|rest| rest.strip_prefix(if self.place == Place::Token { '.' } else { '-' }))
                .map(str::to_owned),
        };
        Topic::from(
            bare.unwrap_or_else(|| panic!("`{topic}` is not of this trial, whose prefix is {prefix}")),
        )
    }

    fn subscription(&self, own: &Subscription) -> Subscription {
        let group = format!("{}-{}", self.prefix, own.group);
        Subscription { group, filter: self.outward(&own.filter), ..own.clone() }
    }

    fn plan(&self, own: &Plan) -> Plan {
        let topics = |own: &[Topic]| {
            let mut topics: Vec<Topic> = own.iter().map(|topic| self.outward(topic)).collect();
            topics.sort_by(|one, other| one.as_str().cmp(other));
            topics
        };
        Plan {
            subscriptions: own.subscriptions.iter().map(|own| self.subscription(own)).collect(),
            publishes: topics(&own.publishes),
            dead_letters: topics(&own.dead_letters),
            ..own.clone()
        }
    }
}

pub(crate) struct Prefixed {
    inner: Arc<dyn Backend>,
    names: Names,
}

impl Prefixed {
    pub(crate) fn new(inner: Arc<dyn Backend>, names: Names) -> Self {
        Self { inner, names }
    }
}

impl Backend for Prefixed {
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
        let topic = self.names.outward(&outgoing.topic);
        self.inner.publish(Outgoing { topic, ..outgoing })
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        let subscription = self.names.subscription(subscription);
        Box::pin(async move {
            let inner = self.inner.subscribe(&subscription).await?;
            Ok(Box::new(PrefixedConsumer { inner, names: self.names.clone() }) as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        let subscription = self.names.subscription(subscription);
        Box::pin(async move { self.inner.caught_up(&subscription).await })
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        let topic = self.names.outward(topic);
        Box::pin(async move {
            let inner = self.inner.browse(&topic).await?;
            Ok(Box::pin(Letters { inner, names: self.names.clone() }) as BoxStream<Result<Delivery>>)
        })
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        // They go back as they came: with the server's name of their topic.
        let topic = self.names.outward(topic);
        let letters: Vec<Delivery> = letters
            .iter()
            .map(|letter| Delivery { topic: self.names.outward(&letter.topic), ..letter.clone() })
            .collect();
        Box::pin(async move { self.inner.discard(&topic, &letters).await })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}

impl fmt::Debug for Prefixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prefixed").field(&self.names.prefix).field(&self.inner).finish()
    }
}

#[derive(Debug)]
struct PrefixedConsumer {
    inner: Box<dyn Consumer>,
    names: Names,
}

impl Consumer for PrefixedConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let before = into.len();
        let polled = self.inner.poll_batch(cx, room, into);
        for delivery in &mut into[before..] {
            delivery.topic = self.names.inward(&delivery.topic);
        }
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

struct Letters {
    inner: BoxStream<Result<Delivery>>,
    names: Names,
}

impl Stream for Letters {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.inner.as_mut().poll_next(cx));
        Poll::Ready(next.map(|letter| {
            letter.map(|letter| Delivery { topic: self.names.inward(&letter.topic), ..letter })
        }))
    }
}
