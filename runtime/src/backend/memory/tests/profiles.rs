//! What a broker in memory does with a profile: durability, sharing, history and leases.

use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::backend::{Position, memory::Profile};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn like(profile: Profile) -> MemoryBackend {
    connect(&Memory::new().profile(profile).partitions(1))
}

/// Two connections to one broker.
fn pair(profile: Profile, name: &str) -> (MemoryBackend, MemoryBackend) {
    let memory = Memory::named(format!("profiles-{profile}-{name}")).profile(profile).partitions(1);
    (connect(&memory), connect(&memory))
}

pub(super) fn unordered(group: &str, filter: &str) -> Subscription {
    Subscription { order: Order::None, ..subscription(group, filter) }
}

fn send_keyed(backend: &MemoryBackend, key: &str, payload: &str) {
    now(send(backend, "shop", Some(key), payload)).unwrap();
}

fn crashes(deliveries: &[Delivery]) -> Vec<u32> {
    deliveries.iter().map(|delivery| delivery.past.as_ref().map_or(0, |past| past.crashes)).collect()
}

#[test]
fn every_profile_declares_what_it_can() {
    let can = |profile| like(profile).capabilities();
    let [kafka, rabbitmq, nats, pulsar] = Profile::ALL.map(can);
    let all = [connect(&Memory::new()).capabilities(), kafka, rabbitmq, nats, pulsar];
    let column = |read: fn(&Capabilities) -> bool| all.each_ref().map(read);
    assert_eq!(column(|can| can.patterns && can.key_order && can.partition_order), [true; 5]);
    assert_eq!(column(|can| can.broadcast && can.start_latest), [true; 5]);
    assert_eq!(column(|can| can.start_earliest), [true, true, false, true, true]);
    assert_eq!(column(|can| can.at_most_once), [true, false, false, false, false]);
    assert_eq!(column(|can| can.crash_guard), [true, true, true, true, false]);
    assert_eq!(column(|can| can.delay), [true, false, false, true, true]);
    assert_eq!(column(|can| can.expiry), [true, false, true, true, false]);
    assert_eq!(column(|can| can.explicit_partition), [true, true, false, false, false]);
    assert_eq!(column(|can| can.shared), [false, true, true, true, true]);
    assert_eq!(column(|can| can.longest_hold.is_some()), [false, false, true, false, false]);
    let mib = |can: &Capabilities| can.max_message >> 20;
    assert_eq!(all.each_ref().map(mib), [1, 1, 16, 1, 5]);
}

#[tokio::test(start_paused = true)]
async fn kafka_commits_every_200_ms_and_after_a_kill_the_rest_comes_again() {
    let (dying, living) = pair(Profile::Kafka, "commits");
    let orders = subscription("g", "shop");
    let mut consumer = consume(&dying, &orders);
    (0..6).for_each(|n| _ = publish(&living, "shop", &n.to_string()));
    let taken = take(consumer.as_mut());
    // A commit covers what was settled when it took place, out of order too.
    settle(consumer.as_mut(), &[taken[0].clone(), taken[3].clone()]);
    advance(Duration::from_millis(200)).await;
    settle(consumer.as_mut(), &taken[1..2]);
    advance(Duration::from_millis(199)).await;
    dying.kill();
    let mut heir = join(&living, &orders);
    let again = take(heir.as_mut());
    assert_eq!(payloads(&again), ["1", "2", "4", "5"]);
    assert_eq!(crashes(&again), [1; 4]);
    // Closing commits.
    settle(heir.as_mut(), &again[..1]);
    close(heir.as_mut());
    assert_eq!(payloads(&take(join(&living, &orders).as_mut())), ["2", "4", "5"]);
}

#[test]
fn kafka_commits_after_1000_settlements_and_on_release() {
    let (dying, living) = pair(Profile::Kafka, "thousand");
    let orders = subscription("g", "shop");
    let mut consumer = consume(&dying, &orders);
    (0..1_500).for_each(|n| _ = publish(&living, "shop", &n.to_string()));
    let room = Room { count: 1_500, bytes: 1 << 30 };
    let taken = take_within(consumer.as_mut(), room);
    settle(consumer.as_mut(), &taken[..1_400]);
    dying.kill();
    let mut heir = join(&living, &orders);
    let again = take_within(heir.as_mut(), room);
    assert_eq!((again.len(), payload(&again[0])), (500, "1000"));
    settle(heir.as_mut(), &again[..400]);
    heir.release(&Partitions::All);
    drop(heir);
    assert_eq!(payload(&take(join(&living, &orders).as_mut())[0]), "1400");
}

#[test]
fn rabbitmq_acknowledges_one_by_one_at_once() {
    let (dying, living) = pair(Profile::RabbitMq, "acks");
    let orders = subscription("g", "shop");
    let mut consumer = consume(&dying, &orders);
    (0..4).for_each(|n| _ = publish(&living, "shop", &n.to_string()));
    let taken = take(consumer.as_mut());
    assert!(taken.iter().all(|delivery| delivery.partition.is_none() && delivery.position.is_none()));
    settle(consumer.as_mut(), &[taken[1].clone(), taken[3].clone()]);
    dying.kill();
    let again = take(join(&living, &orders).as_mut());
    assert_eq!((payloads(&again), crashes(&again)), (vec!["0", "2"], vec![1, 1]));
}

#[tokio::test(start_paused = true)]
async fn nats_begins_again_at_the_floor_whatever_was_settled_above_it() {
    let (dying, living) = pair(Profile::Nats, "floor");
    let orders = subscription("g", "shop");
    let mut consumer = consume(&dying, &orders);
    let confirmed: Vec<_> = (0..4).map(|n| publish(&living, "shop", &n.to_string())).collect();
    assert_eq!((confirmed[2].partition, confirmed[2].position), (None, Some(Position::new(3))));
    let taken = take(consumer.as_mut());
    settle(consumer.as_mut(), &[taken[0].clone(), taken[2].clone()]);
    dying.kill();
    let again = take(join(&living, &orders).as_mut());
    assert_eq!((payloads(&again), crashes(&again)), (vec!["1", "2", "3"], vec![1, 0, 1]));
    let positions: Vec<_> = again.iter().map(|delivery| delivery.position).collect();
    assert_eq!(positions, [2, 3, 4].map(|sequence| Some(Position::new(sequence))));
}

#[tokio::test(start_paused = true)]
async fn the_floor_of_nats_is_one_over_all_topics_of_a_group() {
    let (dying, living) = pair(Profile::Nats, "floors");
    publish_early(&living, "shop.b");
    let orders = starting(subscription("g", "shop.*"), Start::Latest);
    let mut consumer = consume(&dying, &orders);
    ["shop.a", "shop.b", "shop.a", "shop.b"].into_iter().for_each(|topic| _ = publish(&living, topic, topic));
    let taken = take(consumer.as_mut());
    let second = |delivery: &&Delivery| delivery.position == Some(Position::new(3));
    settle(consumer.as_mut(), &taken.iter().filter(second).cloned().collect::<Vec<_>>());
    dying.kill();
    let mut heir = join(&living, &orders);
    let again = take(heir.as_mut());
    assert_eq!(again.len(), 4);
    // All but the last of a topic: what comes again begins at the third.
    let early = |delivery: &&Delivery| delivery.position < Some(Position::new(4));
    settle(heir.as_mut(), &again.iter().filter(early).cloned().collect::<Vec<_>>());
    let last = again.iter().filter(|delivery| delivery.position == Some(Position::new(5)));
    settle(heir.as_mut(), &last.cloned().collect::<Vec<_>>());
    close(heir.as_mut());
    let rest = take(join(&living, &orders).as_mut());
    let mut positions: Vec<_> = rest.iter().map(|delivery| delivery.position.unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, [4, 5].map(Position::new));
}

/// Something that was there before a group.
fn publish_early(backend: &MemoryBackend, topic: &str) {
    provision(backend, &[&subscription("early", topic)]);
    publish(backend, topic, "early");
}

#[tokio::test(start_paused = true)]
async fn nats_counts_over_all_topics_of_a_stream() {
    let backend = like(Profile::Nats);
    provision(&backend, &[&subscription("g", "shop.>")]);
    let sequences = ["shop.a", "shop.b", "shop.a"].map(|topic| publish(&backend, topic, "x").position);
    assert_eq!(sequences, [1, 2, 3].map(|sequence| Some(Position::new(sequence))));
}

#[test]
fn pulsar_redelivers_what_is_not_acknowledged_and_suspects_nobody() {
    let (dying, living) = pair(Profile::Pulsar, "acks");
    let orders = subscription("g", "shop");
    let mut consumer = consume(&dying, &orders);
    (0..4).for_each(|n| send_keyed(&living, "k", &n.to_string()));
    let taken = take(consumer.as_mut());
    assert_eq!(taken[1].position, Some(Position::pair(1, 1)));
    settle(consumer.as_mut(), &[taken[0].clone(), taken[2].clone()]);
    dying.kill();
    let again = take(join(&living, &orders).as_mut());
    assert_eq!(payloads(&again), ["1", "3"]);
    assert!(again.iter().all(|delivery| delivery.past.is_none()));
}

#[tokio::test(start_paused = true)]
async fn one_instance_is_active_where_order_is_kept_by_one_queue() {
    for profile in [Profile::RabbitMq, Profile::Nats] {
        let (one, two) = pair(profile, "active");
        let orders = subscription("g", "shop.*");
        let (mut first, mut second) = (consume(&one, &orders), join(&two, &orders));
        ["shop.a", "shop.b"].into_iter().for_each(|topic| _ = publish(&two, topic, topic));
        let (bell, waker) = Bell::new();
        assert_eq!(poll(second.as_mut(), ROOM, &waker).0, None, "{profile}: it stands by");
        assert_eq!(payloads(&take(first.as_mut())), ["shop.a", "shop.b"]);
        publish(&two, "shop.c", "shop.c");
        assert_eq!(poll(second.as_mut(), ROOM, &waker).0, None, "{profile}: new topics too");
        close(first.as_mut());
        assert_eq!(bell.rings(), 1);
        assert_eq!(payloads(&take(second.as_mut())), ["shop.a", "shop.b", "shop.c"]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_order_members_compete() {
    for profile in [Profile::RabbitMq, Profile::Nats, Profile::Pulsar] {
        let (one, two) = pair(profile, "compete");
        let orders = unordered("g", "shop");
        let (mut first, mut second) = (consume(&one, &orders), join(&two, &orders));
        (0..6).for_each(|n| _ = publish(&two, "shop", &n.to_string()));
        let (mine, theirs) = (take(first.as_mut()), take(second.as_mut()));
        assert_eq!(
            (payloads(&mine), payloads(&theirs)),
            (vec!["0", "1", "2"], vec!["3", "4", "5"]),
            "{profile}"
        );
        settle(second.as_mut(), &theirs[1..]);
        settle(first.as_mut(), &mine[..1]);
        let (bell, waker) = Bell::new();
        assert_eq!(poll(second.as_mut(), ROOM, &waker).0, None);
        one.kill();
        assert_eq!(bell.rings(), 1, "{profile}");
        let rest = take(second.as_mut());
        assert_eq!(payloads(&rest), ["1", "2"], "{profile}");
        let position = |delivery: &Delivery| delivery.token.position;
        assert!(position(&rest[0]) > position(&theirs[2]), "positions rise within a generation");
        settle(second.as_mut(), &rest);
        settle(second.as_mut(), &theirs[..1]);
        now(two.caught_up(&orders)).unwrap();
    }
}

#[test]
fn pulsar_shares_by_key_and_a_key_moves_only_when_nothing_of_it_is_held() {
    let (one, two) = pair(Profile::Pulsar, "keys");
    let orders = subscription("g", "shop");
    let mut first = consume(&one, &orders);
    let keys: Vec<String> = (0..32).map(|n| format!("key-{n}")).collect();
    keys.iter().for_each(|key| send_keyed(&two, key, key));
    let held = take(first.as_mut());
    assert_eq!(held.len(), 32);
    let mut second = join(&two, &orders);
    keys.iter().for_each(|key| send_keyed(&two, key, &format!("{key} again")));
    assert_eq!(take(second.as_mut()).len(), 0, "all keys are held by the first");
    settle(first.as_mut(), &held);
    let (mine, theirs) = (take(first.as_mut()), take(second.as_mut()));
    assert!(mine.len() > 4 && theirs.len() > 4 && mine.len() + theirs.len() == 32);
    // What the one that leaves held comes first, in order.
    drop(first);
    keys.iter().for_each(|key| send_keyed(&two, key, &format!("{key} at last")));
    let rest = take(second.as_mut());
    for delivery in &mine {
        let of_key = |other: &&Delivery| other.message.key() == delivery.message.key();
        let of_key: Vec<_> = rest.iter().filter(of_key).map(payload).collect();
        let key = payload(delivery).trim_end_matches(" again");
        assert_eq!(of_key, [format!("{key} again"), format!("{key} at last")]);
    }
}

#[test]
fn a_late_group_sees_history_where_it_is_kept() {
    for (profile, expected) in [
        (Profile::Kafka, &["before", "after"][..]),
        (Profile::RabbitMq, &["after"]),
        (Profile::Nats, &["before", "after"]),
        (Profile::Pulsar, &["before", "after"]),
    ] {
        let backend = like(profile);
        for (order, group) in [(Order::Key, "k"), (Order::None, "n")] {
            provision(&backend, &[&subscription("first", "shop")]);
            let late = Subscription { order, ..subscription(group, &format!("shop.{group}")) };
            provision(&backend, &[&subscription("first", &late.filter)]);
            publish(&backend, &late.filter, "before");
            let mut consumer = consume(&backend, &late);
            publish(&backend, &late.filter, "after");
            assert_eq!(payloads(&take(consumer.as_mut())), expected, "{profile}");
        }
    }
}

/// Asks once, so that it renews what it has, and gives what it got.
async fn beat(consumer: &mut dyn Consumer) -> Vec<Delivery> {
    let mut into = Vec::new();
    let intake = poll_fn(|cx| Poll::Ready(consumer.poll_batch(cx, ROOM, &mut into))).await;
    assert!(!matches!(intake, Poll::Ready(Err(_))), "{intake:?}");
    into
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_the_consumer_lives_and_runs_out_when_it_hangs() {
    for (profile, lease) in [(Profile::Nats, 30), (Profile::Kafka, 45)] {
        let (hanging, living) = pair(profile, "lease");
        let orders = subscription("g", "shop");
        let mut first = consume(&hanging, &orders);
        let mut second = join(&living, &orders);
        if profile == Profile::Kafka {
            // There is one partition, and the first has it.
            assert_eq!(beat(second.as_mut()).await.len(), 0);
        }
        publish(&living, "shop", "a");
        let held = take(first.as_mut());
        assert_eq!(payloads(&held), ["a"]);
        for _ in 0..20 {
            advance((lease - 1) * SECOND).await;
            assert_eq!(beat(first.as_mut()).await.len(), 0);
            assert_eq!(beat(second.as_mut()).await.len(), 0);
        }
        hanging.faults().stall();
        let waiting = tokio::spawn(async move {
            let mut into = Vec::new();
            poll_fn(|cx| second.poll_batch(cx, ROOM, &mut into)).await.unwrap();
            (second, into)
        });
        let began = tokio::time::Instant::now();
        let (mut second, taken) = waiting.await.unwrap();
        assert_eq!((payloads(&taken), began.elapsed()), (vec!["a"], lease * SECOND), "{profile}");
        assert!(taken[0].past.is_none(), "nobody died");
        // Whoever hung learns it when it goes on; what it settles late has no effect.
        hanging.faults().resume();
        assert_eq!(poll(first.as_mut(), ROOM, Waker::noop()).0, Some(Intake::Lost(Partitions::All)));
        settle(first.as_mut(), &held);
        assert!(attempt(&mut living.caught_up(&orders)).is_pending());
        settle(second.as_mut(), &taken);
        now(living.caught_up(&orders)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn rabbitmq_takes_back_what_is_held_for_half_an_hour() {
    for order in [Order::Key, Order::None] {
        let backend = like(Profile::RabbitMq);
        let orders = Subscription { order, ..subscription("g", "shop") };
        let mut first = consume(&backend, &orders);
        publish(&backend, "shop", "a");
        let held = beat(first.as_mut()).await;
        let mut second = join(&backend, &orders);
        advance(1_799 * SECOND).await;
        assert_eq!(beat(first.as_mut()).await.len(), 0, "{order:?}");
        advance(SECOND).await;
        assert_eq!(poll(second.as_mut(), ROOM, Waker::noop()).1.len(), 1, "{order:?}");
        assert_eq!(poll(first.as_mut(), ROOM, Waker::noop()).0, Some(Intake::Lost(Partitions::All)));
        settle(first.as_mut(), &held);
        assert!(attempt(&mut backend.caught_up(&orders)).is_pending());
    }
}
