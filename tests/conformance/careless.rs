//! A backend with one thing wrong about it, or none. Below the mistake, what reaches the broker is counted.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use typebus::{
    Result,
    backend::{
        Attribute, Backend, BoxFuture, BoxStream, Capabilities, Confirmation, Consumer, Delivery, Floor,
        Header, Intake, Message, MessageBuilder, Note, Outgoing, Partitions, Plan, Publishing, Room, Sender,
        Start, Subscription, Token, Topic,
    },
};

use crate::slip::Slip;

/// What all connections of a trial have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    settled: Mutex<Vec<(usize, Token)>>,
    consumers: AtomicUsize,
    published: AtomicUsize,
    ids: Mutex<HashSet<Vec<u8>>>,
    deliveries: Mutex<HashMap<Vec<u8>, usize>>,
}

impl Shared {
    /// What was settled, by consumer, as often as it was.
    pub(crate) fn settled(&self) -> Vec<(usize, Token)> {
        self.settled.lock().unwrap().clone()
    }
}

pub(crate) struct Careless {
    inner: Arc<dyn Backend>,
    slip: Option<Slip>,
    shared: Arc<Shared>,
}

impl Careless {
    pub(crate) const fn new(inner: Arc<dyn Backend>, slip: Option<Slip>, shared: Arc<Shared>) -> Self {
        Self { inner, slip, shared }
    }

    fn slips(&self, slip: Slip) -> bool {
        self.slip == Some(slip)
    }

    fn changed(&self, subscription: &Subscription) -> Subscription {
        let mut changed = subscription.clone();
        match self.slip {
            Some(Slip::StartsLatest) => changed.start = Some(Start::Latest),
            Some(Slip::StartsEarliest) => changed.start = Some(Start::Earliest),
            Some(Slip::OneGroup) => "one".clone_into(&mut changed.group),
            Some(Slip::CrossesTopics) if changed.filter.starts_with("shop.") => {
                changed.filter = Topic::from_static(">");
            }
            Some(Slip::SharesBroadcast) => changed.instance = None,
            _ => {}
        }
        changed
    }
}

const STORED: Confirmation = Confirmation { partition: None, position: None };

impl Backend for Careless {
    fn system(&self) -> &'static str {
        self.inner.system()
    }

    fn capabilities(&self) -> Capabilities {
        let can = self.inner.capabilities();
        match self.slip {
            Some(Slip::DeclaresLess) => Capabilities { key_order: false, ..can },
            Some(Slip::OverstatesLimit) => Capabilities { max_message: can.max_message + 16 * 1024, ..can },
            _ => can,
        }
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        let mut plan = plan.clone();
        plan.subscriptions = plan.subscriptions.iter().map(|one| self.changed(one)).collect();
        if self.slips(Slip::ProvisionsLate) {
            plan.subscriptions.clear();
        }
        Box::pin(async move {
            match self.inner.provision(&plan).await {
                Err(_) if self.slips(Slip::AcceptsAnything) => Ok(()),
                provisioned => provisioned,
            }
        })
    }

    fn publish(&self, mut outgoing: Outgoing) -> Publishing {
        let nth = self.shared.published.fetch_add(1, Ordering::Relaxed);
        let is_letter = outgoing.sender == Sender::DeadLetter;
        match self.slip {
            Some(Slip::DropsHeaders) => {
                outgoing.message = rebuilt(&outgoing.message, |header| !matches!(header, Header::Plain(..)));
            }
            Some(Slip::Truncates) if outgoing.message.payload().len() > 100_000 => {
                outgoing.message = with_payload(&outgoing.message, &outgoing.message.payload()[..100_000]);
            }
            Some(Slip::PublishesTwice) => drop(self.inner.publish(outgoing.clone())),
            Some(Slip::LosesTenth) if nth % 10 == 9 => return Publishing::ready(Ok(STORED)),
            Some(Slip::SwallowsErrors) => {
                let inner = self.inner.publish(outgoing);
                return Publishing::pending(async { Ok(inner.await.unwrap_or(STORED)) });
            }
            Some(Slip::ConfirmsLettersEarly) if is_letter => {
                drop(self.inner.publish(outgoing));
                return Publishing::ready(Ok(STORED));
            }
            Some(Slip::DedupesLetters) if is_letter => outgoing.sender = Sender::Program,
            Some(Slip::DedupesById) => {
                let id = outgoing.message.attribute(Attribute::Id).unwrap_or_default().to_vec();
                if !self.shared.ids.lock().unwrap().insert(id) {
                    return Publishing::ready(Ok(STORED));
                }
            }
            Some(Slip::NewIds) if outgoing.sender == Sender::Handler => {
                outgoing.message = with_id(&outgoing.message, &format!("new-{nth}"));
            }
            Some(Slip::DropsOptions) => outgoing.options = None,
            Some(Slip::DropsReplies) if outgoing.topic.starts_with("reply.") => {
                return Publishing::ready(Ok(STORED));
            }
            Some(Slip::ExposesLetters) if is_letter && nth < 10 => {
                let exposed = Outgoing { topic: Topic::from_static("shop.dead"), ..outgoing.clone() };
                drop(self.inner.publish(exposed));
            }
            _ => {}
        }
        self.inner.publish(outgoing)
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            let subscription = self.changed(subscription);
            if self.slips(Slip::ProvisionsLate) {
                let plan = Plan { subscriptions: vec![subscription.clone()], ..Plan::default() };
                self.inner.provision(&plan).await?;
            }
            let consumer = CarelessConsumer {
                inner: self.inner.subscribe(&subscription).await?,
                backend: Arc::clone(&self.inner),
                slip: self.slip,
                id: self.shared.consumers.fetch_add(1, Ordering::Relaxed),
                shared: Arc::clone(&self.shared),
                handed: Vec::new(),
                known: HashSet::new(),
                hangs: false,
            };
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        let subscription = self.changed(subscription);
        Box::pin(async move { self.inner.caught_up(&subscription).await })
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

impl fmt::Debug for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Careless").field(&self.slip).field(&self.inner).finish()
    }
}

#[derive(Debug)]
struct CarelessConsumer {
    inner: Box<dyn Consumer>,
    backend: Arc<dyn Backend>,
    slip: Option<Slip>,
    id: usize,
    shared: Arc<Shared>,
    /// What is not settled yet.
    handed: Vec<Token>,
    /// The ids of what was handed out before a loss.
    known: HashSet<Vec<u8>>,
    hangs: bool,
}

impl CarelessConsumer {
    /// Tells the broker, and counts it.
    fn tell(&mut self, settled: &[Token], floors: &[Floor]) {
        self.shared.settled.lock().unwrap().extend(settled.iter().map(|token| (self.id, *token)));
        self.handed.retain(|token| !settled.contains(token));
        self.inner.settle(settled, floors);
    }

    /// Whether the mistake is to let this one vanish.
    fn vanishes(&mut self, delivery: &Delivery) -> bool {
        let id = || delivery.message.attribute(Attribute::Id).unwrap_or_default().to_vec();
        match self.slip {
            Some(Slip::SkipsUnknown) => {
                delivery.message.attribute(Attribute::Type).is_some_and(|kind| kind.ends_with(b".v3"))
            }
            Some(Slip::SkipsRedelivered) => !self.known.insert(id()),
            Some(Slip::DropsTwentieth) => {
                let mut deliveries = self.shared.deliveries.lock().unwrap();
                let count = deliveries.entry(id()).or_default();
                *count += 1;
                *count >= 20
            }
            _ => false,
        }
    }

    fn hand_out(&mut self, into: &mut Vec<Delivery>) {
        self.handed.extend(into.iter().map(|delivery| delivery.token));
        match self.slip {
            Some(Slip::SettlesEarly) => {
                let tokens: Vec<_> = into.iter().map(|delivery| delivery.token).collect();
                self.tell(&tokens, &[]);
            }
            Some(Slip::SplitsKeys) => {
                for delivery in into {
                    delivery.message = without_key(&delivery.message);
                }
            }
            Some(Slip::Swaps) => swap(into),
            Some(Slip::ForgetsPast) => into.iter_mut().for_each(|delivery| delivery.past = None),
            Some(Slip::AnswersAnybody) => {
                for delivery in into {
                    self.answer(&delivery.message);
                }
            }
            _ => {}
        }
    }

    fn answer(&self, request: &Message) {
        let Some(to) = request.header("typebus-reply-to") else { return };
        let topic = Topic::from(String::from_utf8_lossy(to).into_owned());
        let mut reply = MessageBuilder::with_payload(b"{}");
        reply.attribute(Attribute::Type, b"order.placed.v1");
        let outgoing = Outgoing { topic, message: reply.build(), sender: Sender::Handler, options: None };
        drop(self.backend.publish(outgoing));
    }
}

impl Consumer for CarelessConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let neglects = self.slip == Some(Slip::NeglectsLease) && !self.handed.is_empty();
        if neglects || self.hangs {
            return Poll::Pending;
        }
        let room = match self.slip {
            Some(Slip::Overfills) if !room.is_empty() => Room { count: room.count + 1, bytes: usize::MAX },
            _ => room,
        };
        loop {
            let before = into.len();
            let polled = self.inner.poll_batch(cx, room, into);
            match &polled {
                Poll::Ready(Ok(Intake::Deliveries)) => {}
                Poll::Ready(Ok(Intake::Revoking(partitions))) if self.slip == Some(Slip::ReleasesEarly) => {
                    self.inner.release(partitions);
                    return polled;
                }
                Poll::Ready(Ok(Intake::Lost(lost))) => {
                    self.handed.retain(|token| !lost.contains(token.partition));
                    return polled;
                }
                _ => return polled,
            }
            let mut came = into.split_off(before);
            let gone: Vec<Token> = came
                .iter()
                .filter(|delivery| self.vanishes(delivery))
                .map(|delivery| delivery.token)
                .collect();
            came.retain(|delivery| !gone.contains(&delivery.token));
            if !gone.is_empty() {
                self.tell(&gone, &[]);
            }
            if self.slip == Some(Slip::HangsOnPoison) {
                let poison = came.iter().position(|delivery| is_poison(&delivery.message));
                came.truncate(poison.unwrap_or(came.len()));
                self.hangs |= poison.is_some();
                if self.hangs && came.is_empty() {
                    return Poll::Pending;
                }
            }
            self.hand_out(&mut came);
            into.append(&mut came);
            if into.len() > before {
                return polled;
            }
        }
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        match self.slip {
            Some(Slip::SettlesEarly | Slip::NeverSettles) => {}
            Some(Slip::SettlesTwice) => {
                self.tell(settled, floors);
                self.tell(settled, &[]);
            }
            Some(Slip::SettlesUpTo) => {
                let below = |token: &&Token| {
                    settled.iter().any(|done| done.partition == token.partition && done >= *token)
                };
                let all: Vec<Token> = self.handed.iter().filter(below).copied().collect();
                self.tell(&all, floors);
            }
            _ => self.tell(settled, floors),
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        self.inner.poll_record(cx, suspect)
    }

    fn note(&mut self, notes: &[Note]) {
        self.inner.note(notes);
    }

    fn release(&mut self, partitions: &Partitions) {
        self.handed.retain(|token| !partitions.contains(token.partition));
        if self.slip != Some(Slip::ReleasesEarly) {
            self.inner.release(partitions);
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.slip == Some(Slip::SettlesOnClose) {
            let all = std::mem::take(&mut self.handed);
            self.tell(&all, &[]);
        }
        self.inner.poll_close(cx)
    }
}

/// Exchanges the messages of the first two deliveries with one key.
fn swap(deliveries: &mut [Delivery]) {
    for first in 0..deliveries.len() {
        let second = (first + 1..deliveries.len()).find(|second| {
            deliveries[*second].message.key().is_some()
                && deliveries[*second].message.key() == deliveries[first].message.key()
        });
        if let Some(second) = second {
            let message = deliveries[first].message.clone();
            deliveries[first].message = std::mem::replace(&mut deliveries[second].message, message);
            return;
        }
    }
}

fn is_poison(message: &Message) -> bool {
    let no_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_err();
    no_text(message.payload())
        || message.headers().any(|header| match header {
            Header::Plain(name, value) => no_text(name) || no_text(value),
            Header::Attribute(..) => false,
        })
}

/// The message with some of its headers.
fn rebuilt(message: &Message, keep: impl Fn(&Header<'_>) -> bool) -> Message {
    let mut builder = MessageBuilder::with_payload(message.payload());
    if let Some(key) = message.key() {
        builder.key(key);
    }
    copy(message, &mut builder, keep);
    builder.build()
}

fn without_key(message: &Message) -> Message {
    let mut builder = MessageBuilder::with_payload(message.payload());
    copy(message, &mut builder, |header| !matches!(header, Header::Attribute(Attribute::PartitionKey, _)));
    builder.build()
}

fn with_payload(message: &Message, payload: &[u8]) -> Message {
    let mut builder = MessageBuilder::with_payload(payload);
    if let Some(key) = message.key() {
        builder.key(key);
    }
    copy(message, &mut builder, |_| true);
    builder.build()
}

fn with_id(message: &Message, id: &str) -> Message {
    let mut builder = MessageBuilder::with_payload(message.payload());
    if let Some(key) = message.key() {
        builder.key(key);
    }
    copy(message, &mut builder, |header| !matches!(header, Header::Attribute(Attribute::Id, _)));
    builder.attribute(Attribute::Id, id.as_bytes());
    builder.build()
}

fn copy(message: &Message, builder: &mut MessageBuilder, keep: impl Fn(&Header<'_>) -> bool) {
    for header in message.headers().filter(keep) {
        match header {
            Header::Attribute(attribute, value) => drop(builder.attribute(attribute, value)),
            Header::Plain(name, value) => drop(builder.header(name, value)),
        }
    }
}
