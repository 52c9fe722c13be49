//! Publishing: one task sends in the order of the calls, keeps a window of what is not confirmed, and repeats it.
//!
//! Every message has a `Nats-Msg-Id`, so that a repeat of what was stored is confirmed and stored once. Confirmations
//! come to an inbox of the task's own: the client's own book of requests never forgets one that is not answered.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_nats::{HeaderMap, StatusCode, Subscriber};
use futures_core::Stream;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

use super::{
    config::Nats,
    connect::{Link, News},
    denied::{is_inbox, not_allowed},
    failure::{self, closed, error},
    json, wire,
};
use crate::{
    backend::{Confirmation, Message, Position, Sender},
    error::{Error, ErrorKind, Result},
};

/// A message on its way.
pub(super) struct Job {
    pub(super) subject: String,
    pub(super) message: Message,
    pub(super) sender: Sender,
    /// Headers beside the message's own.
    pub(super) extra: Vec<(&'static str, String)>,
    /// As they were checked; made anew for a repeat.
    pub(super) headers: Option<HeaderMap>,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Confirmation>>,
    /// It was sent, and may be stored.
    pub(super) is_sent: bool,
}

/// What the publisher is told.
pub(super) enum Order {
    Publish(Box<Job>),
    /// Answers when nothing is open any more.
    Close(oneshot::Sender<()>),
}

/// The headers of a job, all together.
pub(super) fn headers(
    message: &Message,
    sender: Sender,
    extra: &[(&'static str, String)],
) -> Result<HeaderMap> {
    let mut headers = wire::headers(message, sender)?;
    for (name, value) in extra {
        headers.insert(*name, value.as_str());
    }
    Ok(headers)
}

/// The task.
pub(super) struct Publisher {
    options: Arc<Nats>,
    orders: mpsc::UnboundedReceiver<Order>,
    is_over: bool,
    waiting: VecDeque<Box<Job>>,
    flight: BTreeMap<u64, (Box<Job>, Instant)>,
    next: u64,
    /// Nothing is sent before.
    pause: Option<Instant>,
    closing: Vec<oneshot::Sender<()>>,
    /// Confirmations cannot come, as long as it is connected like this.
    deaf: Option<Error>,
    tick: Pin<Box<Sleep>>,
}

const TICK: Duration = Duration::from_millis(50);
/// How long a message waits that the server cannot take just now.
const PAUSE: Duration = Duration::from_millis(100);
/// So many are sent at once, where more than that is on its way.
const TURN: usize = 64;
/// Confirmations and orders that are looked at in one go.
const GO: usize = 256;

enum Heard {
    Orders,
    Acks(Vec<async_nats::Message>),
    News(News),
    Tick,
}

impl Publisher {
    pub(super) fn new(options: Arc<Nats>, orders: mpsc::UnboundedReceiver<Order>) -> Self {
        Self {
            options,
            orders,
            is_over: false,
            waiting: VecDeque::new(),
            flight: BTreeMap::new(),
            next: 0,
            pause: None,
            closing: Vec::new(),
            deaf: None,
            tick: Box::pin(sleep(TICK)),
        }
    }

    pub(super) async fn run(mut self) {
        let mut pause = TICK;
        loop {
            let connected = match Link::open(&self.options, "publisher").await {
                Ok(link) => {
                    let inbox = link.client.new_inbox();
                    let acks = link.client.subscribe(format!("{inbox}.*")).await;
                    acks.map(|acks| (link, inbox, acks))
                        .map_err(|cause| failure::asked("publish", "subscribing to confirmations", cause))
                }
                Err(cause) => Err(cause),
            };
            match connected {
                Ok((link, inbox, acks)) => return self.work(link, &inbox, acks).await,
                Err(cause) => self.refuse(&cause, pause).await,
            }
            if self.is_over && self.waiting.is_empty() {
                return self.finish();
            }
            pause = (pause * 2).min(self.options.reconnect_max);
        }
    }

    /// Fails what cannot wait for a connection.
    async fn refuse(&mut self, cause: &Error, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            let now = Instant::now();
            let hopeless = !cause.is_transient();
            while self.waiting.front().is_some_and(|job| hopeless || job.deadline <= now) {
                if let Some(job) = self.waiting.pop_front() {
                    let _ = job.answer.send(Err(cause.clone()));
                }
            }
            if now >= until || (self.is_over && self.waiting.is_empty()) {
                return;
            }
            let mut timer = Box::pin(sleep_until(until.min(now + TICK)));
            poll_fn(|cx| {
                let heard = self.take_orders(cx);
                if heard { Poll::Ready(()) } else { timer.as_mut().poll(cx) }
            })
            .await;
        }
    }

    async fn work(mut self, mut link: Link, inbox: &str, mut acks: Subscriber) {
        loop {
            match poll_fn(|cx| self.listen(cx, &mut link, &mut acks)).await {
                // One command after the other costs the client more than many: what comes while enough is on its way
                // waits for the next confirmation, as with Nagle's algorithm (RFC 896).
                Heard::Orders if self.gathers() => continue,
                Heard::Orders => {}
                Heard::Acks(messages) => {
                    for message in messages {
                        self.confirmed(&link, message).await;
                    }
                }
                Heard::News(News::Up) => {
                    self.deaf = None;
                    self.repeat();
                }
                Heard::News(News::Down) => {}
                Heard::News(News::Expelled) => {
                    let text = "the server does not accept the credentials any more";
                    self.fail_all(&error(ErrorKind::Authentication, "publish", text));
                }
                Heard::News(News::Denied(subject)) => self.denied(&subject),
                Heard::Tick => self.tick(),
            }
            if let Some(cause) = self.deaf.clone() {
                self.fail_all(&cause);
            }
            self.send(&link, inbox).await;
            if self.waiting.is_empty() && self.flight.is_empty() {
                self.closing.drain(..).for_each(|closing| {
                    let _ = closing.send(());
                });
                if self.is_over {
                    return self.finish();
                }
            }
        }
    }

    fn gathers(&self) -> bool {
        !self.is_over && self.waiting.len() < TURN && self.flight.len() >= TURN
    }

    fn listen(&mut self, cx: &mut Context<'_>, link: &mut Link, acks: &mut Subscriber) -> Poll<Heard> {
        let mut messages = Vec::new();
        while messages.len() < GO
            && let Poll::Ready(Some(message)) = Pin::new(&mut *acks).poll_next(cx)
        {
            messages.push(message);
        }
        // Both are taken in one go: what was just confirmed made room for what was just ordered.
        let ordered = self.take_orders(cx);
        if !messages.is_empty() {
            return Poll::Ready(Heard::Acks(messages));
        }
        if ordered {
            return Poll::Ready(Heard::Orders);
        }
        if let Poll::Ready(Some(news)) = link.news.poll_recv(cx) {
            return Poll::Ready(Heard::News(news));
        }
        if self.waiting.is_empty() && self.flight.is_empty() {
            return Poll::Pending;
        }
        match self.tick.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.tick.as_mut().reset(Instant::now() + TICK);
                Poll::Ready(Heard::Tick)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn take_orders(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_over {
            return false;
        }
        let mut taken = 0;
        while taken < GO {
            match self.orders.poll_recv(cx) {
                Poll::Ready(Some(Order::Publish(job))) => self.waiting.push_back(job),
                Poll::Ready(Some(Order::Close(answer))) => self.closing.push(answer),
                Poll::Ready(None) => {
                    self.is_over = true;
                    return true;
                }
                Poll::Pending => break,
            }
            taken += 1;
        }
        taken > 0
    }

    async fn send(&mut self, link: &Link, inbox: &str) {
        if self.pause.is_some_and(|until| until > Instant::now()) {
            return;
        }
        self.pause = None;
        while self.flight.len() < self.options.publish_window && link.is_up() {
            let Some(mut job) = self.waiting.pop_front() else { return };
            let headers = match job.headers.take() {
                Some(headers) => Ok(headers),
                None => headers(&job.message, job.sender, &job.extra),
            };
            let headers = match headers {
                Ok(headers) => headers,
                Err(cause) => {
                    let _ = job.answer.send(Err(cause));
                    continue;
                }
            };
            let (size, limit) =
                (wire::size(&headers) + job.message.payload().len(), link.client.max_payload());
            if size > limit {
                let _ = job.answer.send(Err(too_large(&job.subject, size, limit)));
                continue;
            }
            let reply = format!("{inbox}.{}", self.next);
            let payload = job.message.payload().to_vec().into();
            let sending =
                link.client.publish_with_reply_and_headers(job.subject.clone(), reply, headers, payload);
            match timeout(self.options.confirm_timeout, sending).await {
                Ok(Ok(())) => {
                    job.is_sent = true;
                    self.flight.insert(self.next, (job, Instant::now()));
                    self.next += 1;
                }
                Ok(Err(cause)) if cause.kind() == async_nats::client::PublishErrorKind::InvalidSubject => {
                    let text = format!("`{}` is no topic; publish on an exact one", job.subject);
                    let _ = job.answer.send(Err(error(ErrorKind::InvalidTopic, "publish", text)));
                }
                Ok(Err(_)) | Err(_) => {
                    self.waiting.push_front(job);
                    self.pause = Some(Instant::now() + PAUSE);
                    return;
                }
            }
        }
    }

    async fn confirmed(&mut self, link: &Link, message: async_nats::Message) {
        let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        let Some((job, _)) = number.and_then(|number: u64| self.flight.remove(&number)) else { return };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return match is_unroutable(link, &job.subject, self.options.request_timeout).await {
                true => drop(job.answer.send(Err(unroutable(&job.subject)))),
                // JetStream is about to be there.
                false => self.later(job),
            };
        }
        let payload = String::from_utf8_lossy(&message.payload);
        let Some((code, text)) = failure::answered(&payload) else {
            // One that waits for its time is not in its topic yet.
            let waits = job.extra.iter().any(|(name, _)| *name == "Nats-Schedule");
            let position = json::number(&payload, "seq").filter(|_| !waits).map(Position::new);
            return drop(job.answer.send(Ok(Confirmation { partition: None, position })));
        };
        let kind = match code {
            // Not available, no resources, no leader: it may pass.
            10_008 | 10_023 | 10_074 | 10_009 => return self.later(job),
            10_054 => ErrorKind::TooLarge,
            10_047 | 10_077 | 10_122 => ErrorKind::Full,
            10_166 | 10_165 | 10_188..=10_192 => ErrorKind::Unsupported,
            _ => ErrorKind::Topology,
        };
        let text = format!("a message on `{}` is refused: {text} ({code})", job.subject);
        let _ = job.answer.send(Err(error(kind, "publish", text)));
    }

    /// Puts a job back to its place in the order, to be sent again soon.
    fn later(&mut self, job: Box<Job>) {
        self.pause = Some(Instant::now() + PAUSE);
        self.waiting.push_front(job);
    }

    /// Sends everything again that is not confirmed, in its order.
    fn repeat(&mut self) {
        while let Some((_, (job, _))) = self.flight.pop_last() {
            self.waiting.push_front(job);
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        while self.waiting.front().is_some_and(|job| job.deadline <= now) {
            if let Some(job) = self.waiting.pop_front() {
                late(*job);
            }
        }
        let late_ones: Vec<u64> = self
            .flight
            .iter()
            .filter(|(_, (job, _))| job.deadline <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in late_ones {
            if let Some((job, _)) = self.flight.remove(&number) {
                late(*job);
            }
        }
        let oldest = self.flight.values().next().map(|(_, sent)| *sent);
        if oldest.is_some_and(|sent| sent + self.options.confirm_timeout <= now) {
            self.repeat();
        }
    }

    fn denied(&mut self, subject: &str) {
        if is_inbox(subject) {
            self.deaf = Some(not_allowed("publish", subject));
            return;
        }
        let mut kept = BTreeMap::new();
        for (number, (job, sent)) in std::mem::take(&mut self.flight) {
            if job.subject == subject {
                let _ = job.answer.send(Err(not_allowed("publish", subject)));
            } else {
                kept.insert(number, (job, sent));
            }
        }
        self.flight = kept;
    }

    fn fail_all(&mut self, cause: &Error) {
        self.repeat();
        for job in self.waiting.drain(..) {
            let cause = if job.is_sent { cause.clone().with_unknown_outcome() } else { cause.clone() };
            let _ = job.answer.send(Err(cause));
        }
    }

    fn finish(mut self) {
        self.fail_all(&closed("publish"));
        self.closing.drain(..).for_each(|closing| {
            let _ = closing.send(());
        });
    }
}

fn late(job: Job) {
    let error = if job.is_sent {
        let text = format!("a message on `{}` was not confirmed in time, and may be stored", job.subject);
        error(ErrorKind::Timeout, "publish", text).with_unknown_outcome()
    } else {
        let text =
            format!("a message on `{}` could not be sent in time: there is no connection", job.subject);
        error(ErrorKind::Connect, "publish", text)
    };
    let _ = job.answer.send(Err(error));
}

async fn is_unroutable(link: &Link, subject: &str, limit: Duration) -> bool {
    let question = format!("{{\"subject\":\"{subject}\"}}");
    match link.ask("publish", "$JS.API.STREAM.NAMES".to_owned(), question, limit).await {
        Ok(answer) => {
            let answer = String::from_utf8_lossy(&answer.payload);
            failure::answered(&answer).is_none() && json::number(&answer, "total") == Some(0)
        }
        Err(_) => false,
    }
}

fn unroutable(subject: &str) -> Error {
    let text = format!(
        "a message on `{subject}`: no stream takes it, and nothing would be stored; connect the services that handle \
         it before anybody publishes, which creates what it needs"
    );
    error(ErrorKind::Unroutable, "publish", text)
}

pub(super) fn too_large(subject: &str, size: usize, limit: usize) -> Error {
    let text = format!(
        "a message for `{subject}` has {size} bytes, and the limit is {limit}; make it smaller, or raise the server's \
         `max_payload` and `max_message`"
    );
    error(ErrorKind::TooLarge, "publish", text)
}
