//! What the checks are worth: a broker or a dispatch that is careless in one way is caught within so many histories.
//!
//! Some mistakes stand between the dispatch and the recorder, as if the dispatch made them; the others between the
//! recorder and the broker, as if the broker did.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use typebus::{
    Result,
    backend::{
        Attribute, Backend, BoxFuture, BoxStream, Capabilities, Confirmation, Consumer, Delivery, Floor,
        Header, Intake, Message, MessageBuilder, Note, Outgoing, Partitions, Plan, Publishing, Room, Sender,
        Subscription, Token, Topic,
    },
};

use crate::program::MADE;

/// One mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    /// Settles what was handed out at once.
    SettlesEarly,
    /// Takes a publish that failed for confirmed.
    ConfirmsTheUnconfirmed,
    /// Keeps a delivery to itself, and settles it.
    DropsADelivery,
    /// Takes a dead letter for written, and does not write it.
    ForgetsDeadLetters,
    /// Tells every settlement twice.
    SettlesTwice,
    /// Keeps every third settlement to itself.
    ForgetsToSettle,
    /// Writes dead letters with another payload.
    ForgesDeadLetters,
    /// Gives what a handler returned another id each time.
    RenamesOutputs,
    /// Brings what is settled once more.
    RepeatsTheSettled,
    /// Exchanges two messages of one key.
    SwapsAKey,
    /// Gives up what it is asked for before what runs is over.
    ReleasesEarly,
    /// Brings more than there is room for.
    Overfills,
    /// Asks for more than there is room for.
    AsksForMore,
    /// Keeps what arrived for a second, as if the retry of one key delayed the others.
    Delays,
    /// Does not tell which deliveries processes died of.
    ForgetsCrashes,
    /// Says that processes died of what they did not die of.
    BlamesTheInnocent,
}

/// The promise that each breaks, and within how many histories that is seen.
pub(crate) const SLIPS: [(Slip, u8, usize); 16] = [
    (Slip::SettlesEarly, 1, 10),
    (Slip::ConfirmsTheUnconfirmed, 1, 100),
    (Slip::DropsADelivery, 1, 50),
    (Slip::ForgetsDeadLetters, 1, 50),
    (Slip::SettlesTwice, 2, 10),
    (Slip::ForgetsToSettle, 2, 20),
    (Slip::ForgesDeadLetters, 2, 50),
    (Slip::RenamesOutputs, 2, 100),
    (Slip::RepeatsTheSettled, 2, 20),
    (Slip::SwapsAKey, 3, 20),
    (Slip::ReleasesEarly, 3, 600),
    (Slip::Overfills, 4, 20),
    (Slip::AsksForMore, 4, 100),
    (Slip::Delays, 4, 20),
    (Slip::ForgetsCrashes, 5, 100),
    (Slip::BlamesTheInnocent, 5, 100),
];

impl Slip {
    fn is_of_the_broker(self) -> bool {
        matches!(
            self,
            Self::DropsADelivery
                | Self::RepeatsTheSettled
                | Self::SwapsAKey
                | Self::Overfills
                | Self::ForgetsCrashes
                | Self::BlamesTheInnocent
        )
    }

    /// Under the recorder.
    pub(crate) fn below(self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
        if self.is_of_the_broker() { Arc::new(Careless { inner, slip: self }) } else { inner }
    }

    /// Over the recorder.
    pub(crate) fn above(self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
        if self.is_of_the_broker() { inner } else { Arc::new(Careless { inner, slip: self }) }
    }
}

struct Careless {
    inner: Arc<dyn Backend>,
    slip: Slip,
}

impl fmt::Debug for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Careless").field("slip", &self.slip).finish_non_exhaustive()
    }
}

impl Backend for Careless {
    fn system(&self) -> &'static str {
        self.inner.system()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        self.inner.provision(plan)
    }

    fn publish(&self, mut outgoing: Outgoing) -> Publishing {
        let is_letter = outgoing.sender == Sender::DeadLetter && !outgoing.topic.ends_with(".redrive");
        match self.slip {
            Slip::ForgetsDeadLetters if is_letter => return Publishing::ready(Ok(Confirmation::default())),
            Slip::ForgesDeadLetters if is_letter => {
                outgoing.message = copy(&outgoing.message, Some(b"{}"), None);
            }
            Slip::RenamesOutputs if outgoing.topic.as_str() == MADE => {
                let id = format!("{:032x}", fastrand::u128(..));
                outgoing.message = copy(&outgoing.message, None, Some(&id));
            }
            Slip::ConfirmsTheUnconfirmed if outgoing.sender == Sender::Handler => {
                let mut publishing = self.inner.publish(outgoing);
                return match Pin::new(&mut publishing).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) => Publishing::ready(Ok(answer.unwrap_or_default())),
                    Poll::Pending => publishing,
                };
            }
            _ => {}
        }
        self.inner.publish(outgoing)
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            let inner = self.inner.subscribe(subscription).await?;
            let slip = self.slip;
            let careless =
                Sloppy { inner, slip, count: 0, settled: Vec::new(), taken: Vec::new(), kept: None };
            Ok(Box::new(careless) as Box<dyn Consumer>)
        })
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

/// The same message with another payload or id.
fn copy(message: &Message, payload: Option<&[u8]>, id: Option<&str>) -> Message {
    let mut builder = MessageBuilder::new();
    let payload = payload.unwrap_or(message.payload());
    let write = |buffer: &mut Vec<u8>| {
        buffer.extend_from_slice(payload);
        Ok::<(), std::convert::Infallible>(())
    };
    builder.payload(write).unwrap();
    if let Some(key) = message.key() {
        builder.key(key);
    }
    for header in message.headers() {
        match (header, id) {
            (Header::Attribute(Attribute::Id, _), Some(id)) => {
                builder.attribute(Attribute::Id, id.as_bytes());
            }
            (Header::Attribute(attribute, value), _) => _ = builder.attribute(attribute, value),
            (Header::Plain(name, value), _) => _ = builder.header(name, value),
        }
    }
    builder.build()
}

type Kept = Pin<Box<tokio::time::Sleep>>;

struct Sloppy {
    inner: Box<dyn Consumer>,
    slip: Slip,
    count: usize,
    settled: Vec<Token>,
    taken: Vec<Delivery>,
    /// Until when what arrived is kept.
    kept: Option<(Kept, Intake, Vec<Delivery>)>,
}

impl fmt::Debug for Sloppy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sloppy").field("slip", &self.slip).finish_non_exhaustive()
    }
}

impl Consumer for Sloppy {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        if self.slip == Slip::Delays {
            return self.poll_late(cx, room, into);
        }
        let more = Room { count: room.count + 1, bytes: usize::MAX };
        let wider = matches!(self.slip, Slip::Overfills | Slip::AsksForMore);
        let before = into.len();
        let polled = self.inner.poll_batch(cx, if wider { more } else { room }, into);
        let arrived = into.len() > before;
        match self.slip {
            Slip::SettlesEarly if arrived => {
                let tokens: Vec<Token> = into[before..].iter().map(|delivery| delivery.token).collect();
                self.inner.settle(&tokens, &[]);
            }
            Slip::DropsADelivery if into.len() > before + 1 => {
                if let Some(dropped) = into.pop() {
                    self.inner.settle(&[dropped.token], &[]);
                }
            }
            Slip::RepeatsTheSettled => {
                let again = self.taken.iter().position(|taken| self.settled.contains(&taken.token));
                if let Some(again) = again.filter(|_| arrived && into.len() < before + room.count) {
                    into.push(self.taken.remove(again));
                }
                self.taken.extend_from_slice(&into[before..]);
            }
            Slip::SwapsAKey => swap(&mut into[before..]),
            Slip::ReleasesEarly => {
                if let Poll::Ready(Ok(Intake::Revoking(partitions))) = &polled {
                    self.inner.release(partitions);
                }
            }
            Slip::ForgetsCrashes => into[before..].iter_mut().for_each(|delivery| delivery.past = None),
            Slip::BlamesTheInnocent => {
                for past in into[before..].iter_mut().filter_map(|delivery| delivery.past.as_mut()) {
                    past.crashes += 2;
                }
            }
            _ => {}
        }
        polled
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        match self.slip {
            Slip::SettlesEarly => {}
            Slip::ForgetsToSettle => {
                let mut kept = settled.to_vec();
                kept.retain(|_| {
                    self.count += 1;
                    !self.count.is_multiple_of(3)
                });
                self.inner.settle(&kept, &[]);
            }
            Slip::SettlesTwice => {
                self.inner.settle(settled, floors);
                self.inner.settle(settled, &[]);
            }
            _ => {
                self.settled.extend_from_slice(settled);
                self.inner.settle(settled, floors);
            }
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        self.inner.poll_record(cx, suspect)
    }

    fn note(&mut self, notes: &[Note]) {
        self.inner.note(notes);
    }

    fn release(&mut self, partitions: &Partitions) {
        if self.slip != Slip::ReleasesEarly {
            self.inner.release(partitions);
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_close(cx)
    }
}

impl Sloppy {
    fn poll_late(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        if self.kept.is_none() {
            let mut arrived = Vec::new();
            match self.inner.poll_batch(cx, room, &mut arrived) {
                Poll::Ready(Ok(intake)) if !arrived.is_empty() => {
                    let sleep = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
                    self.kept = Some((sleep, intake, arrived));
                }
                polled => return polled,
            }
        }
        let Some((sleep, ..)) = &mut self.kept else { return Poll::Pending };
        std::task::ready!(sleep.as_mut().poll(cx));
        let Some((_, intake, mut arrived)) = self.kept.take() else { return Poll::Pending };
        into.append(&mut arrived);
        Poll::Ready(Ok(intake))
    }
}

/// Exchanges the messages of two deliveries with one key.
fn swap(deliveries: &mut [Delivery]) {
    for first in 0..deliveries.len() {
        let same = |second: &usize| {
            let key = deliveries[first].message.key();
            key.is_some() && deliveries[*second].message.key() == key
        };
        if let Some(second) = (first + 1..deliveries.len()).find(same) {
            let message = deliveries[first].message.clone();
            deliveries[first].message = std::mem::replace(&mut deliveries[second].message, message);
            return;
        }
    }
}
