//! Shards that meet: none sleeps through a wake, and the consumer is told everything once.
//!
//! What the split promises beside that is shown by `tests/scripted/shards.rs`, with real workers.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use loom::{future::block_on, sync::Mutex, thread};

use crate::{
    backend::{
        Consumer, Delivery, Floor, Intake, Limits, MessageBuilder, Order, Partitions, Room, Token, Topic,
    },
    dispatch::{shards::split, threads::check},
    error::Result,
};

/// A broker that a thread feeds while others consume.
#[derive(Debug, Clone, Default)]
struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Delivery>,
    news: VecDeque<Intake>,
    settled: Vec<Token>,
    floors: Vec<Floor>,
    released: Vec<Partitions>,
    closed: bool,
    waker: Option<Waker>,
    /// It parked with room.
    hungry: bool,
}

impl Default for Inner {
    fn default() -> Self {
        Self(Mutex::new(State::default()))
    }
}

impl Broker {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.0.lock().unwrap())
    }

    /// As a broker does: who parked without room is not woken for a delivery.
    fn push(&self, partition: u32, position: u64) {
        let waker = self.with(|state| {
            state.waiting.push_back(delivery(partition, position));
            if state.hungry { state.waker.take() } else { None }
        });
        waker.into_iter().for_each(Waker::wake);
    }

    fn tell(&self, news: Intake) {
        let waker = self.with(|state| {
            state.news.push_back(news);
            state.waker.take()
        });
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Consumer for Broker {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        self.with(|state| {
            assert!(!state.closed, "it is polled after it closed");
            if let Some(news) = state.news.pop_front() {
                return Poll::Ready(Ok(news));
            }
            let count = if room.is_empty() { 0 } else { room.count.min(state.waiting.len()) };
            if count > 0 {
                into.extend(state.waiting.drain(..count));
                return Poll::Ready(Ok(Intake::Deliveries));
            }
            (state.waker, state.hungry) = (Some(cx.waker().clone()), !room.is_empty());
            Poll::Pending
        })
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        self.with(|state| {
            state.settled.extend(settled);
            state.floors.extend(floors);
        });
    }

    fn release(&mut self, partitions: &Partitions) {
        self.with(|state| state.released.push(partitions.clone()));
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.with(|state| assert!(!std::mem::replace(&mut state.closed, true), "it closes once"));
        Poll::Ready(Ok(()))
    }
}

fn delivery(partition: u32, position: u64) -> Delivery {
    Delivery {
        token: Token { partition, generation: 1, position },
        topic: Topic::from_static("a"),
        message: MessageBuilder::new().build(),
        partition: Some(partition),
        position: None,
        past: None,
    }
}

/// As much as a worker needs to be: it takes, settles, answers what it is asked, and closes.
fn work(mut consumer: Box<dyn Consumer>, mut until: impl FnMut(&Intake, usize) -> bool) {
    let (mut arrived, mut handled) = (Vec::new(), 0);
    loop {
        let room = Room { count: 1, bytes: 1_000 };
        let intake = block_on(poll_fn(|cx| consumer.poll_batch(cx, room, &mut arrived))).unwrap();
        for delivery in arrived.drain(..) {
            consumer.settle(&[delivery.token], &[]);
            handled += 1;
        }
        if let Intake::Revoking(partitions) = &intake {
            consumer.release(partitions);
        }
        if until(&intake, handled) {
            break;
        }
    }
    block_on(poll_fn(|cx| consumer.poll_close(cx))).unwrap();
}

/// Two shards of a broker, by partition: 0 belongs to the first.
fn shards(broker: &Broker, held: usize) -> [Box<dyn Consumer>; 2] {
    let limits = Limits { held, ..Limits::default() };
    let shards = split(Box::new(broker.clone()), 2, Order::Partition, limits);
    shards.try_into().map_err(|_| "two were asked for").unwrap()
}

/// Where a wake-up is lost, a thread sleeps for ever, and loom says so.
#[test]
fn loom_each_shard_gets_what_is_its_own_and_sleeps_through_nothing() {
    for held in [1, 10] {
        check(2, move || {
            let broker = Broker::default();
            let [first, second] = shards(&broker, held);
            let one = thread::spawn(move || work(first, |_, handled| handled == 1));
            let other = thread::spawn(move || work(second, |_, handled| handled == 1));
            broker.push(1, 1);
            broker.push(0, 1);
            one.join().unwrap();
            other.join().unwrap();
            broker.with(|state| {
                state.settled.sort_unstable();
                assert_eq!(state.settled.iter().map(|token| token.partition).collect::<Vec<_>>(), [0, 1]);
                assert_eq!(state.floors.len(), 2);
                assert!(state.closed);
            });
        });
    }
}

/// The room that one makes while the other has the turn is not slept through either.
#[test]
fn loom_a_full_window_goes_on_with_whoever_makes_room() {
    check(2, || {
        let broker = Broker::default();
        broker.push(1, 1);
        broker.push(1, 2);
        let [first, second] = shards(&broker, 1);
        let one = thread::spawn(move || work(first, |_, handled| handled == 1));
        let other = thread::spawn(move || work(second, |_, handled| handled == 2));
        broker.push(0, 1);
        one.join().unwrap();
        other.join().unwrap();
        broker.with(|state| assert_eq!(state.settled.len(), 3));
    });
}

#[test]
fn loom_a_revocation_is_answered_once_after_both_shards_have() {
    check(2, || {
        let broker = Broker::default();
        let [first, second] = shards(&broker, 10);
        let asked = |intake: &Intake, _| matches!(intake, Intake::Revoking(_));
        let one = thread::spawn(move || work(first, asked));
        let other = thread::spawn(move || work(second, asked));
        broker.push(0, 1);
        broker.tell(Intake::Revoking(Partitions::All));
        one.join().unwrap();
        other.join().unwrap();
        broker.with(|state| {
            assert_eq!(state.released, [Partitions::All]);
            assert!(state.closed);
        });
    });
}

#[test]
fn loom_a_shard_that_is_gone_keeps_nothing_from_the_other() {
    check(2, || {
        let broker = Broker::default();
        let [first, second] = shards(&broker, 10);
        let gone = thread::spawn(move || drop(first));
        let other = thread::spawn(move || {
            let mut asked = false;
            work(second, move |intake, handled| {
                asked |= matches!(intake, Intake::Revoking(_));
                asked && handled == 1
            });
        });
        broker.push(1, 1);
        broker.tell(Intake::Revoking(Partitions::These(vec![0])));
        gone.join().unwrap();
        other.join().unwrap();
        broker.with(|state| assert_eq!(state.released, [Partitions::These(vec![0])]));
    });
}
