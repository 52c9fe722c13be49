//! A backend through its traits alone, as the dispatch uses it: names that nobody else has, messages, a consumer.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    time::Duration,
};

use tokio::time::timeout;
use typebus::{
    Result,
    backend::{
        Backend, Confirmation, Consumer, Delivery, Floor, Intake, Limits, Message, MessageBuilder, Order,
        Outgoing, Plan, Room, SendOptions, Sender, Subscription, Token, Topic,
    },
};

/// How long anything may take here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the work comes to.
///
/// # Panics
/// It takes longer than [`PATIENCE`]; the message says `what`.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Topics and groups of one test.
#[derive(Debug)]
pub struct Place {
    name: String,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// One that no other test has, in this run or another.
    #[must_use]
    pub fn new() -> Self {
        Self { name: format!("t{:012x}", fastrand::u64(..) >> 16) }
    }

    /// A topic or pattern of it.
    #[must_use]
    pub fn topic(&self, name: &str) -> Topic {
        Topic::from(format!("{}.{name}", self.name))
    }

    /// A group of it.
    #[must_use]
    pub fn group(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// A subscription by key.
    #[must_use]
    pub fn subscription(&self, group: &str, filter: &str) -> Subscription {
        Subscription {
            group: self.group(group),
            filter: self.topic(filter),
            order: Order::Key,
            start: None,
            limits: Limits::default(),
            instance: None,
        }
    }

    /// Where a group's dead letters are.
    #[must_use]
    pub fn letters(&self, group: &str) -> Topic {
        Topic::from(format!("dead.{}", self.group(group)))
    }

    /// What a program with these subscriptions needs.
    #[must_use]
    pub fn plan(&self, subscriptions: &[&Subscription]) -> Plan {
        let mut plan = Plan { service: "test".to_owned(), ..Plan::default() };
        plan.subscriptions = subscriptions.iter().copied().cloned().collect();
        plan.dead_letters = subscriptions.iter().map(|s| Topic::from(format!("dead.{}", s.group))).collect();
        plan
    }
}

/// A message of these bytes.
#[must_use]
pub fn message(payload: &str) -> Message {
    MessageBuilder::with_payload(payload.as_bytes()).build()
}

/// The same with a key.
#[must_use]
pub fn keyed(key: &str, payload: &str) -> Message {
    let mut builder = MessageBuilder::with_payload(payload.as_bytes());
    builder.key(key.as_bytes());
    builder.build()
}

/// As a program sends it.
#[must_use]
pub fn outgoing(topic: &Topic, message: Message) -> Outgoing {
    Outgoing { topic: topic.clone(), message, sender: Sender::Program, options: None }
}

/// Publishes, and waits for the answer.
///
/// # Errors
/// The backend's.
pub async fn publish(backend: &Arc<dyn Backend>, topic: &Topic, payload: &str) -> Result<Confirmation> {
    patiently("publish", backend.publish(outgoing(topic, message(payload)))).await
}

/// The same with options.
///
/// # Errors
/// The backend's.
pub async fn publish_with(
    backend: &Arc<dyn Backend>,
    topic: &Topic,
    message: Message,
    options: SendOptions,
) -> Result<Confirmation> {
    let outgoing = Outgoing { options: Some(Box::new(options)), ..outgoing(topic, message) };
    patiently("publish", backend.publish(outgoing)).await
}

/// A consumer, as the dispatch has one.
#[derive(Debug)]
pub struct Taker {
    /// The consumer itself.
    pub consumer: Box<dyn Consumer>,
    /// How often it lost what it held.
    pub lost: usize,
    held: Vec<Token>,
    highest: u64,
}

impl Taker {
    /// Subscribes.
    ///
    /// # Panics
    /// The backend refuses.
    pub async fn join(backend: &Arc<dyn Backend>, subscription: &Subscription) -> Self {
        let consumer = patiently("subscribe", backend.subscribe(subscription)).await.unwrap();
        Self { consumer, lost: 0, held: Vec::new(), highest: 0 }
    }

    /// The next deliveries, at least one.
    ///
    /// # Panics
    /// None comes.
    pub async fn next(&mut self, count: usize) -> Vec<Delivery> {
        let mut into = Vec::new();
        let room = Room { count, bytes: 1 << 30 };
        patiently("take", async {
            while into.is_empty() {
                let intake = poll_fn(|cx| self.consumer.poll_batch(cx, room, &mut into)).await.unwrap();
                if let Intake::Lost(_) = intake {
                    self.lost += 1;
                    self.held.clear();
                    self.highest = 0;
                }
            }
        })
        .await;
        self.held.extend(into.iter().map(|delivery| delivery.token));
        self.highest = into.last().map_or(0, |delivery| delivery.token.position);
        into
    }

    /// So many deliveries.
    ///
    /// # Panics
    /// They do not come.
    pub async fn take(&mut self, count: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.extend(self.next(count - taken.len()).await);
        }
        taken
    }

    /// Whether nothing comes for a while.
    pub async fn is_idle(&mut self, a_while: Duration) -> bool {
        let mut into = Vec::new();
        let room = Room { count: 100, bytes: 1 << 30 };
        let polled = timeout(a_while, poll_fn(|cx| self.consumer.poll_batch(cx, room, &mut into))).await;
        polled.is_err() && into.is_empty()
    }

    /// Goes on polling, as the dispatch does.
    ///
    /// # Panics
    /// The consumer fails.
    pub async fn idle(&mut self) {
        let mut into = Vec::new();
        loop {
            let _ = poll_fn(|cx| self.consumer.poll_batch(cx, Room::NONE, &mut into)).await.unwrap();
        }
    }

    /// Settles these, and says the floor.
    pub fn settle(&mut self, deliveries: &[Delivery]) {
        let tokens: Vec<Token> = deliveries.iter().map(|delivery| delivery.token).collect();
        self.held.retain(|held| !tokens.contains(held));
        let floors: Vec<Floor> = tokens.last().map_or(Vec::new(), |last| {
            let lowest = self.held.first().map_or(self.highest + 1, |held| held.position);
            vec![Floor { partition: 0, generation: last.generation, position: lowest }]
        });
        self.consumer.settle(&tokens, &floors);
    }

    /// Leaves.
    ///
    /// # Panics
    /// The backend cannot make durable what was settled.
    pub async fn close(mut self) {
        patiently("close", poll_fn(|cx| self.consumer.poll_close(cx))).await.unwrap();
    }
}

/// What was delivered, as text.
#[must_use]
pub fn payloads(deliveries: &[Delivery]) -> Vec<String> {
    let text = |delivery: &Delivery| String::from_utf8_lossy(delivery.message.payload()).into_owned();
    deliveries.iter().map(text).collect()
}
