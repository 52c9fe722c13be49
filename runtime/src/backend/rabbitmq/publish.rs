//! Publishing: one task owns the channel, so that tags and frames keep one order.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use lapin::{
    BasicProperties, Channel, Confirmation as Confirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    config::RabbitMq,
    connect::{Link, Pace},
    failure::{self, error},
    wire,
};
use crate::{
    backend::{Confirmation, Message},
    duration::FOR_EVER,
    error::{Error, ErrorKind, Result},
};

/// A message on its way, and who waits for it.
pub(super) struct Job {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) message: Message,
    /// Those of [`wire::properties`], without an id: the publisher gives each its own. They are made anew for a repeat.
    pub(super) properties: Option<BasicProperties>,
    pub(super) expiration: Option<ShortString>,
    pub(super) answer: oneshot::Sender<Result<Confirmation>>,
}

/// What the owner of the channel is told.
pub(super) enum Order {
    Publish(Box<Job>),
    /// Finish what is on its way, and answer.
    Close(oneshot::Sender<()>),
}

/// The owner of the channel: a future that ends when nobody publishes any more.
pub(super) struct Publisher {
    options: Arc<RabbitMq>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What every id begins with.
    prefix: String,
    count: u64,
    waiting: VecDeque<Waiting>,
    window: VecDeque<Flight>,
    bytes: usize,
    /// Ids of what came back, and was not answered yet.
    returned: HashMap<String, String>,
    line: Line,
    pace: Pace,
    /// After the server closed the channel: one at a time, until it is known which one it did not like.
    careful: usize,
    last_failure: Option<Error>,
    /// Flights that there is news of.
    news: Arc<News>,
    /// Set to the first deadline when it was last looked at; later ones may have taken its place.
    timer: Pin<Box<Sleep>>,
    is_timer_set: bool,
    closing: Option<oneshot::Sender<()>>,
}

struct Waiting {
    job: Box<Job>,
    id: String,
    deadline: Instant,
    /// It was sent before, so that it may be stored.
    sent: bool,
}

/// A message that was sent.
struct Flight {
    waiting: Waiting,
    bytes: usize,
    /// Counts up through the window.
    number: u64,
    waker: Waker,
    confirm: Pin<Box<dyn Future<Output = lapin::Result<Confirm>> + Send>>,
    outcome: Option<bool>,
    /// It was too late for whoever waited.
    given_up: bool,
}

enum Line {
    Down,
    Connecting(Pin<Box<Connecting>>),
    Up(Box<Link>, Arc<Channel>),
}

type Connecting = dyn Future<Output = Result<(Link, Channel)>> + Send;

/// How many publishes are taken before others get their turn.
const TURN: usize = 64;

impl Publisher {
    pub(super) fn new(options: Arc<RabbitMq>, orders: mpsc::UnboundedReceiver<Order>) -> Self {
        Self {
            options,
            orders,
            prefix: format!("{:016x}", fastrand::u64(..)),
            count: 0,
            waiting: VecDeque::new(),
            window: VecDeque::new(),
            bytes: 0,
            returned: HashMap::new(),
            line: Line::Down,
            pace: Pace::default(),
            careful: 0,
            last_failure: None,
            news: Arc::default(),
            timer: Box::pin(sleep_until(Instant::now() + FOR_EVER)),
            is_timer_set: false,
            closing: None,
        }
    }

    /// Runs until it is closed, or until nobody can publish any more.
    pub(super) async fn run(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        if let Line::Up(link, _) = std::mem::replace(&mut self.line, Line::Down) {
            link.close(self.options.request_timeout).await;
        }
        if let Some(closing) = self.closing.take() {
            let _ = closing.send(());
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.news.tell(cx.waker());
        loop {
            let is_open = self.take_orders(cx);
            self.connect(cx);
            let answered = self.read(cx);
            let sent = (answered || !self.gathers(is_open)) && self.send(cx);
            self.expire(cx);
            if !is_open && self.waiting.is_empty() && self.window.is_empty() {
                return Poll::Ready(());
            }
            if !sent && !answered {
                return Poll::Pending;
            }
        }
    }

    /// Says whether more may come.
    fn take_orders(&mut self, cx: &mut Context<'_>) -> bool {
        while self.waiting.len() < TURN {
            match self.orders.poll_recv(cx) {
                Poll::Ready(Some(Order::Publish(job))) => {
                    self.count += 1;
                    let id = format!("{}-{}", self.prefix, self.count);
                    let deadline = Instant::now() + self.options.publish_timeout.min(FOR_EVER);
                    self.waiting.push_back(Waiting { job, id, deadline, sent: false });
                }
                Poll::Ready(Some(Order::Close(answer))) => {
                    self.closing = Some(answer);
                    self.orders.close();
                }
                Poll::Ready(None) => return false,
                Poll::Pending => break,
            }
        }
        true
    }

    fn connect(&mut self, cx: &mut Context<'_>) {
        if matches!(self.line, Line::Down) && !(self.waiting.is_empty() && self.window.is_empty()) {
            let (options, attempts) = (Arc::clone(&self.options), self.pace.next());
            self.line = Line::Connecting(Box::pin(async move {
                if attempts > 0 {
                    Pace::wait(attempts - 1, options.reconnect_max).await;
                }
                let link = Link::open(&options, "publisher").await?;
                let channel = link.channel(options.request_timeout).await?;
                let confirms = channel.confirm_select(ConfirmSelectOptions::default());
                failure::within(options.request_timeout, "publish", confirms).await?;
                Ok((link, channel))
            }));
        }
        let Line::Connecting(connecting) = &mut self.line else { return };
        let Poll::Ready(connected) = connecting.as_mut().poll(cx) else { return };
        match connected {
            Ok((link, channel)) => {
                self.pace.reset();
                self.line = Line::Up(Box::new(link), Arc::new(channel));
            }
            Err(failure) => {
                self.line = Line::Down;
                // Waiting does not help against these.
                if !failure.is_transient() {
                    for waiting in self.waiting.drain(..) {
                        waiting.answer(Err(failure.clone()));
                    }
                }
                tracing::warn!(error = %failure, "the publisher cannot connect");
                self.last_failure = Some(failure);
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Whether what waits is better sent with what comes: one frame after the other costs the client more. As with Nagle's
    /// algorithm (RFC 896) it waits for the next confirm at most, and not at all where little is on its way.
    fn gathers(&self, is_open: bool) -> bool {
        is_open && self.waiting.len() < TURN && self.window.len() >= TURN
    }

    /// Sends what there is room for. Each is polled once at once, which is what gives it its place.
    fn send(&mut self, cx: &mut Context<'_>) -> bool {
        let Line::Up(_, channel) = &self.line else { return false };
        let channel = Arc::clone(channel);
        let most = if self.careful > 0 { 1 } else { self.options.publish_window };
        let mut sent = false;
        while self.window.len() < most && self.bytes < self.options.publish_window_bytes {
            let Some(mut waiting) = self.waiting.pop_front() else { break };
            let properties = match waiting.job.take_properties() {
                Ok(properties) => properties.with_message_id(super::names::short(&waiting.id)),
                Err(refusal) => {
                    waiting.answer(Err(refusal));
                    continue;
                }
            };
            let bytes = waiting.job.message.size();
            self.bytes += bytes;
            let number = self.window.back().map_or(0, |last| last.number + 1);
            let bell = Bell::of(&self.news, number);
            let mut flight = Flight::start(waiting, properties, bytes, Arc::clone(&channel), bell);
            // On a slow day the confirm is there before this returns: an answer that comes now comes never again.
            let answer = flight.poll();
            self.window.push_back(flight);
            match (answer, self.window.back_mut()) {
                (Some(Ok(confirm)), Some(flight)) => note(confirm, flight, &mut self.returned),
                (Some(Err(cause)), _) => {
                    self.lose(&cause, cx);
                    return true;
                }
                (Some(Ok(_)) | None, _) => {}
            }
            sent = true;
        }
        sent
    }

    /// Reads confirms and answers those at the front, whose order is that of the calls.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let Line::Up(_, channel) = &self.line else { return false };
        let mut failed = None;
        let (mut rung, news) = (Vec::new(), Arc::clone(&self.news));
        let mut read = |window: &mut VecDeque<Flight>, returned: &mut HashMap<String, String>| {
            let first = window.front().map_or(0, |first| first.number);
            news.take(&mut rung);
            for number in rung.drain(..) {
                // One that is answered is no longer there, and one before the line was lost is another now.
                let place = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
                let Some(flight) = window.get_mut(place).filter(|flight| flight.outcome.is_none()) else {
                    continue;
                };
                match flight.poll() {
                    Some(Ok(confirm)) => note(confirm, flight, returned),
                    Some(Err(cause)) => failed = Some(cause),
                    None => {}
                }
            }
        };
        read(&mut self.window, &mut self.returned);
        if self.window.front().is_some_and(|front| front.outcome.is_some()) {
            // The client hands what the server returned to whichever confirm it completes next, in the middle of a
            // frame that confirms many. Its lock is free when the frame is done with.
            let mut barrier = std::pin::pin!(channel.wait_for_confirms());
            let _ = barrier.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            read(&mut self.window, &mut self.returned);
        }
        let mut answered = false;
        while let Some(is_stored) = self.window.front().and_then(|front| front.outcome) {
            let Some(flight) = self.window.pop_front() else { break };
            self.bytes -= flight.bytes;
            self.careful = self.careful.saturating_sub(1);
            let returned = self.returned.remove(&flight.waiting.id);
            flight.waiting.answer(verdict(is_stored, returned));
            answered = true;
        }
        let is_down = |line: &Line| matches!(line, Line::Up(link, channel) if !link.is_up() || !channel.status().connected());
        if let Some(cause) = failed {
            self.lose(&cause, cx);
            return true;
        }
        if self.window.is_empty() && is_down(&self.line) {
            self.line = Line::Down;
        }
        answered
    }

    /// The line is gone: what is unconfirmed goes again, in order.
    fn lose(&mut self, cause: &lapin::Error, cx: &mut Context<'_>) {
        let refused = failure::is_of_channel(cause);
        tracing::warn!(error = %cause, unconfirmed = self.window.len(), "the publisher lost its channel");
        self.line = Line::Down;
        self.bytes = 0;
        let (done, window) = std::mem::take(&mut self.window)
            .into_iter()
            .partition(|flight: &Flight| flight.outcome.is_some());
        self.window = window;
        for flight in VecDeque::into_iter(done) {
            let returned = self.returned.remove(&flight.waiting.id);
            flight.waiting.answer(verdict(flight.outcome == Some(true), returned));
        }
        self.returned.clear();
        let failure = failure::of(cause, "publish");
        if refused {
            let alone = self.careful > 0 || self.window.len() == 1;
            self.careful = self.careful.max(self.window.len());
            // With one on its way it is known who did it.
            if alone && let Some(flight) = self.window.pop_front() {
                self.careful = self.careful.saturating_sub(1);
                flight.waiting.answer(Err(failure.clone()));
            }
        }
        self.last_failure = Some(failure);
        while let Some(flight) = self.window.pop_back() {
            if !flight.given_up {
                self.waiting.push_front(Waiting { sent: true, ..flight.waiting });
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Gives up what took too long. What was sent keeps its place, so that confirms are told from another.
    fn expire(&mut self, cx: &mut Context<'_>) {
        if !self.is_timer_set {
            let Some(next) = self.next_deadline() else { return };
            self.timer.as_mut().reset(next);
            self.is_timer_set = true;
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            self.give_up();
            let Some(next) = self.next_deadline() else {
                self.is_timer_set = false;
                return;
            };
            self.timer.as_mut().reset(next);
        }
    }

    /// Deadlines rise in the order of the calls.
    fn next_deadline(&self) -> Option<Instant> {
        let flying = self.window.iter().find(|flight| !flight.given_up).map(|flight| flight.waiting.deadline);
        flying.into_iter().chain(self.waiting.front().map(|waiting| waiting.deadline)).min()
    }

    fn give_up(&mut self) {
        let now = Instant::now();
        for flight in
            self.window.iter_mut().filter(|flight| !flight.given_up && flight.waiting.deadline <= now)
        {
            flight.given_up = true;
            let (answer, _) = oneshot::channel();
            let answer = std::mem::replace(&mut flight.waiting.job.answer, answer);
            let _ = answer.send(Err(timed_out(&self.options, None).with_unknown_outcome()));
        }
        while self.waiting.front().is_some_and(|waiting| waiting.deadline <= now) {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let failure = timed_out(&self.options, self.last_failure.as_ref());
            let failure = if waiting.sent { failure.with_unknown_outcome() } else { failure };
            waiting.answer(Err(failure));
        }
    }
}

fn note(confirm: Confirm, flight: &mut Flight, returned: &mut HashMap<String, String>) {
    flight.outcome = Some(!matches!(confirm, Confirm::Nack(_)));
    if let Some(message) = confirm.take_message()
        && let Some(id) = message.delivery.properties.message_id()
    {
        returned.insert(id.to_string(), format!("{} {}", message.reply_code, message.reply_text));
    }
}

fn verdict(is_stored: bool, returned: Option<String>) -> Result<Confirmation> {
    match (returned, is_stored) {
        (Some(why), _) => {
            let text =
                format!("no queue receives the topic ({why}); provision the groups that handle it first");
            Err(error(ErrorKind::Unroutable, "publish", text))
        }
        (None, true) => Ok(Confirmation::default()),
        (None, false) => {
            let text = "a queue refused the message; it may be full, or without a leader";
            Err(error(ErrorKind::Full, "publish", text).with_unknown_outcome())
        }
    }
}

fn timed_out(options: &RabbitMq, last: Option<&Error>) -> Error {
    let within = options.publish_timeout;
    match last {
        Some(last) => error(last.kind(), "publish", format!("not within {within:?}: {last}")),
        None => error(ErrorKind::Timeout, "publish", format!("the server did not confirm within {within:?}")),
    }
}

impl Job {
    fn take_properties(&mut self) -> Result<BasicProperties> {
        if let Some(properties) = self.properties.take() {
            return Ok(properties);
        }
        let properties = wire::properties(&self.message)?;
        Ok(match &self.expiration {
            Some(expiration) => properties.with_expiration(expiration.clone()),
            None => properties,
        })
    }
}

impl Waiting {
    /// Answers; whoever published may have gone.
    fn answer(self, answer: Result<Confirmation>) {
        let _ = self.job.answer.send(answer);
    }
}

impl Flight {
    fn start(
        waiting: Waiting,
        properties: BasicProperties,
        bytes: usize,
        channel: Arc<Channel>,
        bell: Bell,
    ) -> Self {
        let Job { exchange, routing_key, message, .. } = &*waiting.job;
        let (exchange, routing_key, message) = (exchange.clone(), routing_key.clone(), message.clone());
        let confirm = async move {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let sent = channel.basic_publish(exchange, routing_key, options, message.payload(), properties);
            sent.await?.await
        };
        let number = bell.number;
        let waker = Waker::from(Arc::new(bell));
        Self { waiting, bytes, number, waker, confirm: Box::pin(confirm), outcome: None, given_up: false }
    }

    fn poll(&mut self) -> Option<lapin::Result<Confirm>> {
        match self.confirm.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(confirm) => Some(confirm),
            Poll::Pending => None,
        }
    }
}

/// The numbers of flights that there is news of, and who wants to know.
#[derive(Default)]
struct News(Mutex<(Vec<u64>, Option<Waker>)>);

impl News {
    fn tell(&self, owner: &Waker) {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !news.1.as_ref().is_some_and(|known| known.will_wake(owner)) {
            news.1 = Some(owner.clone());
        }
    }

    fn add(&self, number: u64) {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        news.0.push(number);
        // Whoever is told of one will see those that come until it looks.
        let owner = if news.0.len() == 1 { news.1.clone() } else { None };
        drop(news);
        if let Some(owner) = owner {
            owner.wake();
        }
    }

    fn take(&self, into: &mut Vec<u64>) {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut news.0, into);
    }
}

/// Tells that there is news of one flight.
struct Bell {
    number: u64,
    news: Arc<News>,
}

impl Bell {
    fn of(news: &Arc<News>, number: u64) -> Self {
        Self { number, news: Arc::clone(news) }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.news.add(self.number);
    }
}
