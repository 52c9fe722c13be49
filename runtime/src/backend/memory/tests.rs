//! The contract's promises, tried through its traits.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, on small numbers, and waits for the tasks that it spawns"
)]

mod asked;
mod bound;
mod consuming;
mod crashing;
mod failing;
mod history;
mod likeness;
mod options;
mod others;
mod profiles;
mod publishing;
mod sharing;
mod taking;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::{Memory, MemoryBackend};
use crate::{
    backend::{
        Attribute, Backend, Capabilities, Confirmation, Consumer, Delivery, Intake, Message, MessageBuilder,
        Order, Outgoing, Partitions, Plan, Publishing, Room, Sender, Start, Subscription, Token, Topic,
    },
    error::{ErrorKind, Result},
    policy::Limits,
};

const ROOM: Room = Room { count: 1_000, bytes: 1 << 30 };

fn connect(options: &Memory) -> MemoryBackend {
    MemoryBackend::connect(options).unwrap()
}

/// A broker of its own with one partition, where everything has one order.
fn single() -> MemoryBackend {
    connect(&Memory::new().partitions(1))
}

fn subscription(group: &str, filter: &str) -> Subscription {
    Subscription {
        instance: None,
        group: group.to_owned(),
        filter: filter.into(),
        order: Order::Key,
        start: None,
        limits: Limits::default(),
    }
}

fn starting(subscription: Subscription, start: Start) -> Subscription {
    Subscription { start: Some(start), ..subscription }
}

fn plan(subscriptions: &[&Subscription]) -> Plan {
    Plan { subscriptions: subscriptions.iter().copied().cloned().collect(), ..Plan::default() }
}

fn provision(backend: &MemoryBackend, subscriptions: &[&Subscription]) {
    now(backend.provision(&plan(subscriptions))).unwrap();
}

fn join(backend: &MemoryBackend, subscription: &Subscription) -> Box<dyn Consumer> {
    now(backend.subscribe(subscription)).unwrap()
}

/// Provisions and joins.
fn consume(backend: &MemoryBackend, subscription: &Subscription) -> Box<dyn Consumer> {
    provision(backend, &[subscription]);
    join(backend, subscription)
}

fn message(key: Option<&str>, payload: &str) -> Message {
    let mut builder = MessageBuilder::new();
    let write = |bytes: &mut Vec<u8>| {
        bytes.extend_from_slice(payload.as_bytes());
        Ok::<_, ()>(())
    };
    builder.payload(write).unwrap();
    if let Some(key) = key {
        builder.key(key.as_bytes());
    }
    builder.build()
}

fn sending(topic: &str, message: Message, sender: Sender) -> Outgoing {
    Outgoing { topic: topic.into(), message, sender, options: None }
}

fn send(backend: &MemoryBackend, topic: &str, key: Option<&str>, payload: &str) -> Publishing {
    backend.publish(sending(topic, message(key, payload), Sender::Program))
}

fn try_publish(backend: &MemoryBackend, topic: &str, payload: &str) -> Result<Confirmation> {
    now(send(backend, topic, None, payload))
}

/// Publishes what must be confirmed at once.
fn publish(backend: &MemoryBackend, topic: &str, payload: &str) -> Confirmation {
    try_publish(backend, topic, payload).unwrap()
}

/// What is known without waiting.
fn now<F: Future>(future: F) -> F::Output {
    match attempt(&mut Box::pin(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is not known at once"),
    }
}

fn attempt<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn is_pending(publishing: &mut Publishing) -> bool {
    Pin::new(publishing).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn poll(consumer: &mut dyn Consumer, room: Room, waker: &Waker) -> (Option<Intake>, Vec<Delivery>) {
    let mut into = Vec::new();
    let intake = match consumer.poll_batch(&mut Context::from_waker(waker), room, &mut into) {
        Poll::Ready(intake) => Some(intake.unwrap()),
        Poll::Pending => None,
    };
    assert_eq!(intake == Some(Intake::Deliveries), !into.is_empty());
    (intake, into)
}

/// Everything that a consumer has to deliver now.
fn take(consumer: &mut dyn Consumer) -> Vec<Delivery> {
    take_within(consumer, ROOM)
}

fn take_within(consumer: &mut dyn Consumer, room: Room) -> Vec<Delivery> {
    match poll(consumer, room, Waker::noop()) {
        (None | Some(Intake::Deliveries), deliveries) => deliveries,
        (Some(news), _) => panic!("unexpected news: {news:?}"),
    }
}

/// The partitions of a revocation that has been announced.
fn revoked(consumer: &mut dyn Consumer) -> Vec<u32> {
    match poll(consumer, Room::NONE, Waker::noop()) {
        (Some(Intake::Revoking(Partitions::These(partitions))), _) => partitions,
        (news, _) => panic!("no revocation, but {news:?}"),
    }
}

fn release(consumer: &mut dyn Consumer, partitions: Vec<u32>) {
    consumer.release(&Partitions::These(partitions));
}

fn settle(consumer: &mut dyn Consumer, deliveries: &[Delivery]) {
    consumer.settle(&deliveries.iter().map(|delivery| delivery.token).collect::<Vec<_>>(), &[]);
}

fn close(consumer: &mut dyn Consumer) {
    assert!(matches!(consumer.poll_close(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(()))));
}

fn payload(delivery: &Delivery) -> &str {
    std::str::from_utf8(delivery.message.payload()).unwrap()
}

fn payloads(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(payload).collect()
}

/// The partitions that deliveries came from, sorted, each once.
fn partitions(deliveries: &[Delivery]) -> Vec<u32> {
    let mut partitions: Vec<_> = deliveries.iter().map(|delivery| delivery.token.partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    partitions
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (bell.clone(), bell.into())
    }

    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
