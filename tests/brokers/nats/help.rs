//! Names that nobody else has, a backend through its traits, and a client that sends whatever bytes it likes.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use typebus::{
    IntoBackend, Result,
    backend::{
        Backend, Confirmation, Consumer, Delivery, Floor, Intake, Limits, Message, MessageBuilder, Order,
        Outgoing, Plan, Room, SendOptions, Sender, Subscription, Token, Topic, nats::Nats,
    },
};

/// How long anything may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Topics and groups of one test.
pub(crate) struct Place {
    name: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { name: format!("t{:012x}", fastrand::u64(..) >> 16) }
    }

    pub(crate) fn topic(&self, name: &str) -> Topic {
        Topic::from(format!("{}.{name}", self.name))
    }

    pub(crate) fn group(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    pub(crate) fn subscription(&self, group: &str, filter: &str) -> Subscription {
        Subscription {
            group: self.group(group),
            filter: self.topic(filter),
            order: Order::Key,
            start: None,
            limits: Limits::default(),
            instance: None,
        }
    }

    pub(crate) fn letters(&self, group: &str) -> Topic {
        Topic::from(format!("dead.{}", self.group(group)))
    }

    pub(crate) fn plan(&self, subscriptions: &[&Subscription]) -> Plan {
        let mut plan = Plan { service: "test".to_owned(), ..Plan::default() };
        plan.subscriptions = subscriptions.iter().copied().cloned().collect();
        plan.dead_letters = subscriptions.iter().map(|s| Topic::from(format!("dead.{}", s.group))).collect();
        plan
    }
}

pub(crate) fn url() -> String {
    typebus_servers::url("nats")
}

/// What takes long with the defaults is short here.
pub(crate) fn options() -> Nats {
    let short = Duration::from_secs(2);
    Nats::from_url(&url()).unwrap().ack_wait(short).pin_timeout(short).idle_timeout(short / 2)
}

pub(crate) fn connect() -> Arc<dyn Backend> {
    open(options())
}

pub(crate) fn open(options: Nats) -> Arc<dyn Backend> {
    options.into_backend().unwrap()
}

/// A backend where these subscriptions are provisioned.
pub(crate) async fn provisioned(place: &Place, subscriptions: &[&Subscription]) -> Arc<dyn Backend> {
    let backend = connect();
    let plan = place.plan(subscriptions);
    patiently("provision", backend.provision(&plan)).await.unwrap();
    backend
}

pub(crate) fn message(payload: &str) -> Message {
    MessageBuilder::with_payload(payload.as_bytes()).build()
}

pub(crate) fn keyed(key: &str, payload: &str) -> Message {
    let mut builder = MessageBuilder::with_payload(payload.as_bytes());
    builder.key(key.as_bytes());
    builder.build()
}

pub(crate) fn outgoing(topic: &Topic, message: Message) -> Outgoing {
    Outgoing { topic: topic.clone(), message, sender: Sender::Program, options: None }
}

pub(crate) async fn publish(
    backend: &Arc<dyn Backend>,
    topic: &Topic,
    payload: &str,
) -> Result<Confirmation> {
    patiently("publish", backend.publish(outgoing(topic, message(payload)))).await
}

pub(crate) async fn publish_with(
    backend: &Arc<dyn Backend>,
    topic: &Topic,
    message: Message,
    options: SendOptions,
) -> Result<Confirmation> {
    let outgoing = Outgoing { options: Some(Box::new(options)), ..outgoing(topic, message) };
    patiently("publish", backend.publish(outgoing)).await
}

/// A consumer, as the dispatch has one.
pub(crate) struct Taker {
    pub(crate) consumer: Box<dyn Consumer>,
    pub(crate) lost: usize,
    held: Vec<Token>,
    highest: u64,
}

impl Taker {
    pub(crate) async fn join(backend: &Arc<dyn Backend>, subscription: &Subscription) -> Self {
        let consumer = patiently("subscribe", backend.subscribe(subscription)).await.unwrap();
        Self { consumer, lost: 0, held: Vec::new(), highest: 0 }
    }

    /// The next deliveries, at least one.
    pub(crate) async fn next(&mut self, count: usize) -> Vec<Delivery> {
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
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.extend(self.next(count - taken.len()).await);
        }
        taken
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_idle(&mut self, a_while: Duration) -> bool {
        let mut into = Vec::new();
        let room = Room { count: 100, bytes: 1 << 30 };
        let polled = timeout(a_while, poll_fn(|cx| self.consumer.poll_batch(cx, room, &mut into))).await;
        polled.is_err() && into.is_empty()
    }

    pub(crate) fn settle(&mut self, deliveries: &[Delivery]) {
        let tokens: Vec<Token> = deliveries.iter().map(|delivery| delivery.token).collect();
        self.held.retain(|held| !tokens.contains(held));
        let floors: Vec<Floor> = tokens.last().map_or(Vec::new(), |last| {
            let lowest = self.held.first().map_or(self.highest + 1, |held| held.position);
            vec![Floor { partition: 0, generation: last.generation, position: lowest }]
        });
        self.consumer.settle(&tokens, &floors);
    }

    pub(crate) async fn close(mut self) {
        patiently("close", poll_fn(|cx| self.consumer.poll_close(cx))).await.unwrap();
    }
}

pub(crate) fn payloads(deliveries: &[Delivery]) -> Vec<String> {
    let text = |delivery: &Delivery| String::from_utf8_lossy(delivery.message.payload()).into_owned();
    deliveries.iter().map(text).collect()
}

/// Publishes a block of headers as somebody else would, and waits until the server has it.
pub(crate) async fn publish_raw(url: &str, topic: &Topic, headers: &[u8], payload: &[u8]) {
    let address = url.split_once("://").unwrap().1.split(['/', '?']).next().unwrap();
    let mut stream = patiently("connect", TcpStream::connect(address)).await.unwrap();
    let block = [b"NATS/1.0\r\n", headers, b"\r\n"].concat();
    let line = format!("HPUB {topic} {} {}\r\n", block.len(), block.len() + payload.len());
    let connect = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n";
    let bytes = [&connect[..], line.as_bytes(), &block, payload, b"\r\nPING\r\n"].concat();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    patiently("publish", async {
        while !answer.windows(4).any(|window| window == b"PONG") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
    })
    .await;
}

/// Asks the server itself, as an administrator would.
pub(crate) async fn ask_raw(subject: &str, question: &str) -> String {
    let url = url();
    let address = url.split_once("://").unwrap().1.split(['/', '?']).next().unwrap();
    let mut stream = patiently("connect", TcpStream::connect(address)).await.unwrap();
    let inbox = format!("_INBOX.t{:x}", fastrand::u64(..));
    let length = question.len();
    let text = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB {inbox} 1\r\nPUB {subject} {inbox} {length}\r\n{question}\r\n"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let head = format!("MSG {inbox} 1 ");
    patiently("ask", async {
        loop {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
            let text = String::from_utf8_lossy(&answer);
            let Some((_, rest)) = text.split_once(&head) else { continue };
            let Some((length, rest)) = rest.split_once("\r\n") else { continue };
            let length: usize = length.parse().unwrap();
            if rest.len() >= length {
                return rest[..length].to_owned();
            }
        }
    })
    .await
}
