//! What the tests have at hand: connections, plans, and consumers that are asked with a deadline.

use std::{future::poll_fn, sync::Arc, time::Duration};

use tokio::time::timeout;
use typebus::{
    IntoBackend,
    backend::{
        Backend, Confirmation, Consumer, Delivery, Floor, Intake, Limits, MessageBuilder, Order, Outgoing,
        Partitions, Plan, Room, Sender, Start, Subscription, Token, Topic, kafka::Kafka,
    },
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The options for the server that the tests share.
pub(crate) fn options() -> Kafka {
    Kafka::from_url(&typebus_servers::url("kafka")).unwrap().refresh(Duration::from_millis(300))
}

/// A connection, as a process of its own would have it.
pub(crate) fn connect(options: Kafka) -> Arc<dyn Backend> {
    options.into_backend().unwrap()
}

/// A name that no other test has, in this run or another.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{:012x}", fastrand::u64(..1 << 48))
}

pub(crate) fn subscription(group: &str, filter: &str) -> Subscription {
    Subscription {
        group: group.to_owned(),
        filter: filter.into(),
        order: Order::Key,
        start: None,
        limits: Limits::default(),
        instance: None,
    }
}

pub(crate) fn from(start: Start, subscription: Subscription) -> Subscription {
    Subscription { start: Some(start), ..subscription }
}

pub(crate) fn plan(subscriptions: &[Subscription]) -> Plan {
    Plan { service: "test".to_owned(), subscriptions: subscriptions.to_vec(), ..Plan::default() }
}

pub(crate) fn outgoing(topic: &str, key: &str, payload: &str) -> Outgoing {
    let mut builder = MessageBuilder::with_payload(payload.as_bytes());
    builder.key(key.as_bytes());
    Outgoing { topic: topic.into(), message: builder.build(), sender: Sender::Program, options: None }
}

/// Publishes, and waits for the confirmation.
pub(crate) async fn publish(
    backend: &Arc<dyn Backend>,
    topic: &str,
    key: &str,
    payload: &str,
) -> Confirmation {
    timeout(PATIENCE, backend.publish(outgoing(topic, key, payload))).await.unwrap().unwrap()
}

pub(crate) async fn provision(backend: &Arc<dyn Backend>, subscriptions: &[Subscription]) {
    timeout(PATIENCE, backend.provision(&plan(subscriptions))).await.unwrap().unwrap();
}

pub(crate) async fn subscribe(backend: &Arc<dyn Backend>, subscription: &Subscription) -> Box<dyn Consumer> {
    timeout(PATIENCE, backend.subscribe(subscription)).await.unwrap().unwrap()
}

pub(crate) const ROOM: Room = Room { count: 100, bytes: 1 << 20 };

/// What the consumer says next, with what it delivered.
pub(crate) async fn news(consumer: &mut Box<dyn Consumer>, room: Room) -> (Intake, Vec<Delivery>) {
    let mut deliveries = Vec::new();
    let intake = timeout(PATIENCE, poll_fn(|cx| consumer.poll_batch(cx, room, &mut deliveries)));
    let intake = intake.await.expect("the consumer says something").unwrap();
    (intake, deliveries)
}

/// So many deliveries. Whatever is revoked meanwhile is released at once.
pub(crate) async fn take(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let (intake, deliveries) = news(consumer, Room { count: count - all.len(), ..ROOM }).await;
        if let Intake::Revoking(partitions) = intake {
            consumer.release(&partitions);
        }
        all.extend(deliveries);
    }
    all
}

pub(crate) fn payloads(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|it| String::from_utf8_lossy(it.message.payload()).into_owned()).collect()
}

/// Settles deliveries, and says nothing of floors, which this backend finds by itself.
pub(crate) fn settle(consumer: &mut Box<dyn Consumer>, deliveries: &[Delivery]) {
    let tokens: Vec<Token> = deliveries.iter().map(|delivery| delivery.token).collect();
    let floors: Vec<Floor> = Vec::new();
    consumer.settle(&tokens, &floors);
}

pub(crate) async fn close(consumer: &mut Box<dyn Consumer>) {
    timeout(PATIENCE, poll_fn(|cx| consumer.poll_close(cx))).await.unwrap().unwrap();
}

pub(crate) async fn record(consumer: &mut Box<dyn Consumer>, suspect: Option<Token>) {
    timeout(PATIENCE, poll_fn(|cx| consumer.poll_record(cx, suspect))).await.unwrap().unwrap();
}

pub(crate) async fn caught_up(backend: &Arc<dyn Backend>, subscription: &Subscription) {
    timeout(PATIENCE, backend.caught_up(subscription)).await.expect("the group catches up").unwrap();
}

/// Nothing is delivered for a while.
pub(crate) async fn nothing(consumer: &mut Box<dyn Consumer>, while_: Duration) {
    let mut deliveries = Vec::new();
    let said = timeout(while_, poll_fn(|cx| consumer.poll_batch(cx, ROOM, &mut deliveries))).await;
    assert!(said.is_err(), "{said:?} {:?}", payloads(&deliveries));
}

/// Answers a revocation.
pub(crate) async fn give_up(consumer: &mut Box<dyn Consumer>) -> Partitions {
    loop {
        if let (Intake::Revoking(partitions), _) = news(consumer, Room::NONE).await {
            consumer.release(&partitions);
            return partitions;
        }
    }
}

pub(crate) fn topic(name: &str) -> Topic {
    Topic::from(name)
}
