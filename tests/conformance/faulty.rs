//! Harm to a connection to a server, done between the bus and its backend.
//!
//! What each kind of it stands for:
//! * `kill`: the process is gone. Consumers and client are dropped where they stand, nothing is closed or flushed.
//! * `fail`, `lose_confirmation`, `hold_confirmations`: the link to the server, which does not carry a publish, or not
//!   its answer, or not yet.
//! * `lose`: a channel, a session or a connection that is over: the consumer is dropped unclosed, and subscribes again.
//! * `revoke`: a rebalance: the consumer is asked to give up what it has, is closed when it has, and subscribes again.
//! * `stall`: the bus is told nothing, and tells nothing. The client beneath it lives on; a process that stands still as
//!   a whole is no matter of one process.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll, Waker, ready},
};

use tokio::sync::watch;
use typebus::{
    Error, ErrorKind, Result,
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, Floor, Intake, Note, Outgoing,
        Partitions, Plan, Publishing, Room, Subscription, Token, Topic,
    },
};

use crate::backends::Harm;

/// A connection that can be harmed.
pub(crate) struct Faulty {
    system: &'static str,
    /// Nothing once it was killed.
    inner: Mutex<Option<Arc<dyn Backend>>>,
    killed: watch::Sender<bool>,
    fates: Mutex<HashMap<String, VecDeque<Fate>>>,
    seats: Mutex<Vec<Weak<Mutex<Seat>>>>,
}

/// What becomes of a publish.
#[derive(Debug, Clone)]
enum Fate {
    Fails,
    LosesConfirmation,
    /// Until it is `false`.
    Held(watch::Receiver<bool>),
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Self {
        Self {
            system: inner.system(),
            inner: Mutex::new(Some(inner)),
            killed: watch::Sender::new(false),
            fates: Mutex::default(),
            seats: Mutex::default(),
        }
    }

    fn inner(&self) -> Result<Arc<dyn Backend>> {
        self.inner.lock().unwrap().clone().ok_or_else(gone)
    }

    fn fate(&self, topic: &Topic) -> Option<Fate> {
        let mut fates = self.fates.lock().unwrap();
        let fates = fates.get_mut(topic.as_str())?;
        fates.retain(|fate| !matches!(fate, Fate::Held(held) if !*held.borrow()));
        match fates.front()? {
            held @ Fate::Held(_) => Some(held.clone()),
            Fate::Fails | Fate::LosesConfirmation => fates.pop_front(),
        }
    }

    /// What a call comes to, unless the process dies before.
    async fn alive<T>(mut killed: watch::Receiver<bool>, call: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            _ = killed.wait_for(|killed| *killed) => Err(gone().with_unknown_outcome()),
            answer = call => answer,
        }
    }

    /// Does something to each consumer.
    fn each(&self, mut harm: impl FnMut(&mut Seat)) {
        let seats: Vec<_> = self.seats.lock().unwrap().iter().filter_map(Weak::upgrade).collect();
        for seat in seats {
            let mut seat = seat.lock().unwrap();
            harm(&mut seat);
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
    }

    fn plan(&self, topic: &str, fate: Fate) {
        self.fates.lock().unwrap().entry(topic.to_owned()).or_default().push_back(fate);
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Closed, "use a connection", "its process was killed")
}

impl Harm for Faulty {
    fn kill(&self) {
        self.killed.send_replace(true);
        self.each(|seat| {
            seat.dead = true;
            seat.stage = Stage::Gone;
        });
        *self.inner.lock().unwrap() = None;
    }

    fn fail(&self, topic: &str, count: usize) {
        (0..count).for_each(|_| self.plan(topic, Fate::Fails));
    }

    fn lose_confirmation(&self, topic: &str) {
        self.plan(topic, Fate::LosesConfirmation);
    }

    fn hold_confirmations(&self, topic: &str) -> Box<dyn Send> {
        let held = Held(watch::Sender::new(true));
        self.plan(topic, Fate::Held(held.0.subscribe()));
        Box::new(held)
    }

    fn revoke(&self) {
        self.each(|seat| seat.asked.push_back(Asked::Revoke));
    }

    fn lose(&self) {
        self.each(|seat| {
            // At once: the server, too, learns of it at once.
            if let Stage::Open(_) | Stage::Revoking(_) = seat.stage {
                seat.stage = Stage::Lost;
                seat.asked.push_back(Asked::Lose);
            }
        });
    }

    fn stall(&self) {
        self.each(|seat| seat.stalled = true);
    }

    fn resume(&self) {
        self.each(|seat| {
            seat.stalled = false;
            let late = mem::take(&mut seat.late);
            late.into_iter().for_each(|(settled, floors)| seat.settle(&settled, &floors));
        });
    }
}

/// Confirmations are held until it is dropped.
struct Held(watch::Sender<bool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

impl Backend for Faulty {
    fn system(&self) -> &'static str {
        self.system
    }

    fn capabilities(&self) -> Capabilities {
        self.inner().map(|inner| inner.capabilities()).unwrap_or_default()
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let inner = self.inner()?;
            Self::alive(self.killed.subscribe(), inner.provision(plan)).await
        })
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        let inner = match self.inner() {
            Ok(inner) => inner,
            Err(error) => return Publishing::ready(Err(error)),
        };
        let fate = self.fate(&outgoing.topic);
        if let Some(Fate::Fails) = fate {
            let error = Error::new(ErrorKind::Connect, "publish", "the link did not carry it");
            return Publishing::ready(Err(error.at(self.system)));
        }
        let (publishing, killed, system) = (inner.publish(outgoing), self.killed.subscribe(), self.system);
        Publishing::pending(Self::alive(killed, async move {
            let confirmation = publishing.await?;
            match fate {
                Some(Fate::LosesConfirmation) => {
                    let error = Error::new(ErrorKind::Timeout, "publish", "the link lost the confirmation");
                    Err(error.at(system).with_unknown_outcome())
                }
                Some(Fate::Held(mut held)) => {
                    // It is released, or whoever held it is gone.
                    let _ = held.wait_for(|held| !held).await;
                    Ok(confirmation)
                }
                Some(Fate::Fails) | None => Ok(confirmation),
            }
        }))
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            let backend = self.inner()?;
            let consumer = Self::alive(self.killed.subscribe(), backend.subscribe(subscription)).await?;
            let seat = Seat {
                backend: Arc::downgrade(&backend),
                subscription: subscription.clone(),
                stage: Stage::Open(consumer),
                asked: VecDeque::new(),
                late: Vec::new(),
                stalled: false,
                dead: false,
                base: 0,
                next: 0,
                waker: None,
            };
            let seat = Arc::new(Mutex::new(seat));
            self.seats.lock().unwrap().push(Arc::downgrade(&seat));
            Ok(Box::new(FaultyConsumer(seat)) as Box<dyn Consumer>)
        })
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let inner = self.inner()?;
            Self::alive(self.killed.subscribe(), inner.caught_up(subscription)).await
        })
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        Box::pin(async move { self.inner()?.browse(topic).await })
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.inner()?.discard(topic, letters).await })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.inner()?.close().await })
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faulty").field(&*self.inner.lock().unwrap()).finish()
    }
}

/// A subscription of the bus, under which consumers of the server come and go.
struct Seat {
    backend: Weak<dyn Backend>,
    subscription: Subscription,
    stage: Stage,
    asked: VecDeque<Asked>,
    /// What was settled while it stood still.
    late: Vec<(Vec<Token>, Vec<Floor>)>,
    stalled: bool,
    dead: bool,
    /// What is added to the generations of the present consumer, so that those of earlier ones are stale.
    base: u32,
    /// One more than the highest generation that was seen.
    next: u32,
    waker: Option<Waker>,
}

enum Stage {
    Open(Box<dyn Consumer>),
    /// Until it is released nothing more comes.
    Revoking(Box<dyn Consumer>),
    /// It is dropped, and the bus does not know yet.
    Lost,
    Opening(BoxFuture<'static, Result<Box<dyn Consumer>>>),
    Gone,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Revoke,
    Lose,
}

impl Seat {
    /// The next consumer, after the one before has been closed, if it is to be.
    fn open_again(&mut self, before: Option<Box<dyn Consumer>>) {
        self.base = self.next;
        let (backend, subscription) = (self.backend.clone(), self.subscription.clone());
        self.stage = Stage::Opening(Box::pin(async move {
            if let Some(mut before) = before {
                poll_fn(|cx| before.poll_close(cx)).await?;
            }
            backend.upgrade().ok_or_else(gone)?.subscribe(&subscription).await
        }));
    }

    fn consumer(&mut self) -> Option<&mut Box<dyn Consumer>> {
        match &mut self.stage {
            Stage::Open(consumer) | Stage::Revoking(consumer) => Some(consumer),
            Stage::Lost | Stage::Opening(_) | Stage::Gone => None,
        }
    }

    /// The present consumer's own token, unless it is of an earlier one.
    fn own(&self, token: Token) -> Option<Token> {
        Some(Token { generation: token.generation.checked_sub(self.base)?, ..token })
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        let settled: Vec<Token> = settled.iter().filter_map(|token| self.own(*token)).collect();
        let base = self.base;
        let floors: Vec<Floor> = floors
            .iter()
            .filter_map(|floor| Some(Floor { generation: floor.generation.checked_sub(base)?, ..*floor }))
            .collect();
        if let Some(consumer) = self.consumer()
            && !(settled.is_empty() && floors.is_empty())
        {
            consumer.settle(&settled, &floors);
        }
    }

    /// What the trial asked for, if the bus is to learn of it.
    fn news(&mut self) -> Option<Intake> {
        match self.asked.pop_front()? {
            Asked::Lose => {
                self.open_again(None);
                Some(Intake::Lost(Partitions::All))
            }
            // Nobody else can have what is one instance's own.
            Asked::Revoke if self.subscription.instance.is_some() => None,
            Asked::Revoke => match mem::replace(&mut self.stage, Stage::Gone) {
                Stage::Open(consumer) => {
                    self.stage = Stage::Revoking(consumer);
                    Some(Intake::Revoking(Partitions::All))
                }
                other => {
                    self.stage = other;
                    None
                }
            },
        }
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Stage::Opening(opening) = &mut self.stage {
            self.stage = Stage::Open(ready!(opening.as_mut().poll(cx))?);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        while !self.asked.is_empty() {
            if let Some(news) = self.news() {
                return Poll::Ready(Ok(news));
            }
        }
        ready!(self.poll_opening(cx))?;
        let (base, before) = (self.base, into.len());
        let Stage::Open(consumer) = &mut self.stage else { return Poll::Pending };
        let polled = consumer.poll_batch(cx, room, into);
        for delivery in &mut into[before..] {
            delivery.token.generation += base;
            self.next = self.next.max(delivery.token.generation + 1);
        }
        polled
    }
}

struct FaultyConsumer(Arc<Mutex<Seat>>);

impl FaultyConsumer {
    /// Whether the bus can be told something, and it can tell.
    fn awake(seat: &mut Seat, cx: &Context<'_>) -> Poll<Result<()>> {
        seat.waker = Some(cx.waker().clone());
        match (seat.dead, seat.stalled) {
            (true, _) => Poll::Ready(Err(gone())),
            (false, true) => Poll::Pending,
            (false, false) => Poll::Ready(Ok(())),
        }
    }
}

impl Consumer for FaultyConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let mut seat = self.0.lock().unwrap();
        ready!(Self::awake(&mut seat, cx))?;
        seat.poll_batch(cx, room, into)
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        let mut seat = self.0.lock().unwrap();
        if seat.stalled {
            seat.late.push((settled.to_vec(), floors.to_vec()));
        } else {
            seat.settle(settled, floors);
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        let mut seat = self.0.lock().unwrap();
        ready!(Self::awake(&mut seat, cx))?;
        let own = suspect.map(|token| seat.own(token));
        match (own, seat.consumer()) {
            // What is lost is not about to run.
            (Some(None), _) | (_, None) => Poll::Ready(Ok(())),
            (own, Some(consumer)) => consumer.poll_record(cx, own.flatten()),
        }
    }

    fn note(&mut self, notes: &[Note]) {
        let mut seat = self.0.lock().unwrap();
        let own = |note: &Note| Some(Note { token: seat.own(note.token)?, ..*note });
        let notes: Vec<Note> = notes.iter().filter_map(own).collect();
        if let Some(consumer) = seat.consumer() {
            consumer.note(&notes);
        }
    }

    fn release(&mut self, partitions: &Partitions) {
        let mut seat = self.0.lock().unwrap();
        match mem::replace(&mut seat.stage, Stage::Gone) {
            Stage::Revoking(consumer) => seat.open_again(Some(consumer)),
            Stage::Open(mut consumer) => {
                // The server's own revocation.
                consumer.release(partitions);
                seat.stage = Stage::Open(consumer);
            }
            other => seat.stage = other,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut seat = self.0.lock().unwrap();
        ready!(Self::awake(&mut seat, cx))?;
        ready!(seat.poll_opening(cx))?;
        match seat.consumer() {
            Some(consumer) => consumer.poll_close(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for FaultyConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut seat = self.0.lock().unwrap();
        f.debug_tuple("FaultyConsumer").field(&seat.consumer()).finish()
    }
}
