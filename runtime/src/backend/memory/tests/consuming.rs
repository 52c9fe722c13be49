//! One consumer: order, room, wake-ups, settling, redelivery.

use super::*;
use crate::backend::Position;

#[test]
fn what_is_published_before_anything_consumes_is_received() {
    let backend = single();
    let orders = subscription("g", "shop");
    provision(&backend, &[&orders]);
    publish(&backend, "shop", "a");
    let taken = take(join(&backend, &orders).as_mut());
    assert_eq!(payloads(&taken), ["a"]);
    let Delivery { token, topic, partition, position, .. } = &taken[0];
    assert_eq!((topic.as_str(), *partition, *position), ("shop", Some(0), Some(Position::new(0))));
    assert_eq!((token.partition, token.position), (0, 0));
}

#[test]
fn a_group_that_is_not_provisioned_is_an_error() {
    let backend = single();
    provision(&backend, &[&subscription("g", "shop")]);
    for unknown in [subscription("h", "shop"), subscription("g", "*")] {
        for error in
            [now(backend.subscribe(&unknown)).unwrap_err(), now(backend.caught_up(&unknown)).unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Topology);
            assert!(error.to_string().contains("provision"), "{error}");
        }
    }
}

#[test]
fn a_plan_creates_its_topics() {
    let backend = single();
    let plan = Plan {
        publishes: vec!["shop.out".into()],
        dead_letters: vec!["dead.g".into()],
        ..plan(&[&starting(subscription("g", "shop.in"), Start::Latest)])
    };
    now(backend.provision(&plan)).unwrap();
    now(backend.provision(&plan)).unwrap();
    publish(&backend, "shop.in", "a");
    assert_eq!(payloads(&take(join(&backend, &plan.subscriptions[0]).as_mut())), ["a"]);
}

#[test]
fn a_new_group_starts_where_it_says_and_an_existing_one_where_it_is() {
    let backend = single();
    publish(&backend, "shop", "a");
    let begin = |group: &str, start| Subscription { start, ..subscription(group, "shop") };
    let all =
        [begin("none", None), begin("earliest", Some(Start::Earliest)), begin("latest", Some(Start::Latest))];
    provision(&backend, &[&all[0], &all[1], &all[2]]);
    publish(&backend, "shop", "b");
    for (subscription, expected) in all.iter().zip([&["a", "b"][..], &["a", "b"], &["b"]]) {
        let mut consumer = join(&backend, subscription);
        let taken = take(consumer.as_mut());
        assert_eq!(payloads(&taken), expected);
        settle(consumer.as_mut(), &taken);
    }
    provision(&backend, &[&begin("latest", Some(Start::Earliest)), &begin("none", Some(Start::Latest))]);
    publish(&backend, "shop", "c");
    for subscription in &all {
        assert_eq!(payloads(&take(join(&backend, subscription).as_mut())), ["c"]);
    }
}

#[test]
fn every_group_gets_everything() {
    let backend = single();
    let all = [subscription("g", "shop"), subscription("h", "shop"), subscription("g", "*")];
    provision(&backend, &[&all[0], &all[1], &all[2]]);
    publish(&backend, "shop", "a");
    for subscription in &all {
        let mut consumer = join(&backend, subscription);
        let taken = take(consumer.as_mut());
        assert_eq!(payloads(&taken), ["a"]);
        settle(consumer.as_mut(), &taken);
    }
}

#[test]
fn patterns_receive_later_topics_and_never_reserved_ones() {
    let backend = single();
    for topic in ["shop.a", "dead.a", "reply.a", "other"] {
        publish(&backend, topic, topic);
    }
    let (shop, all) = (subscription("g", "shop.>"), starting(subscription("g", ">"), Start::Latest));
    let (mut shop, mut all) = (consume(&backend, &shop), consume(&backend, &all));
    for topic in ["shop.b", "dead.b", "reply.b.c", "more"] {
        publish(&backend, topic, topic);
    }
    let taken = take(shop.as_mut());
    assert_eq!(payloads(&taken), ["shop.a", "shop.b"]);
    assert_eq!(partitions(&taken), [0, 1], "each partition of each topic has a number of its own");
    assert!(taken.iter().all(|delivery| delivery.topic.as_str() == payload(delivery)));
    assert_eq!(payloads(&take(all.as_mut())), ["shop.b", "more"]);
}

#[test]
fn room_is_respected() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    for payload in ["aaaa", "bbbb", "cccccccccccc", "d", "e", "f"] {
        publish(&backend, "shop", payload);
    }
    let mut within = |count, bytes| {
        let taken = take_within(consumer.as_mut(), Room { count, bytes });
        payloads(&taken).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(within(0, 100).is_empty());
    assert!(within(100, 0).is_empty());
    assert_eq!(within(1, 100), ["aaaa"]);
    assert_eq!(within(100, 5), ["bbbb"]);
    assert_eq!(within(100, 5), ["cccccccccccc"], "one may exceed the bytes");
    assert_eq!(within(2, 100), ["d", "e"]);
    assert_eq!(within(2, 100), ["f"]);
    assert!(within(2, 100).is_empty());
}

#[test]
fn batches_are_appended_and_partitions_take_turns() {
    let backend = connect(&Memory::new());
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    for n in 0..400 {
        publish(&backend, "shop", &n.to_string());
    }
    let mut counts = [0_usize; 4];
    let mut all = Vec::new();
    while all.len() < 400 {
        let before = all.len();
        let mut cx = Context::from_waker(Waker::noop());
        let room = Room { count: 10, bytes: 1 << 20 };
        assert!(matches!(consumer.poll_batch(&mut cx, room, &mut all), Poll::Ready(Ok(Intake::Deliveries))));
        assert!(all.len() - before <= 10);
        assert!(partitions(&all[before..]).len() >= 3, "a batch is from most partitions");
        for delivery in &all[before..] {
            counts[delivery.token.partition as usize] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 10, "one partition is far ahead: {counts:?}");
    }
    for partition in 0..4 {
        let of = all.iter().filter(|delivery| delivery.token.partition == partition);
        let positions: Vec<_> = of.map(|delivery| delivery.token.position).collect();
        assert_eq!(positions, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn one_partition_uses_the_whole_room() {
    let backend = connect(&Memory::new());
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    for n in 0..100 {
        now(send(&backend, "shop", Some("k"), &n.to_string())).unwrap();
    }
    assert_eq!(take_within(consumer.as_mut(), Room { count: 64, bytes: 1 << 20 }).len(), 64);
}

#[test]
fn a_parked_consumer_is_woken_once_and_only_if_it_had_room() {
    let backend = connect(&Memory::new());
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    assert_eq!(take(consumer.as_mut()).len(), 0);
    let (bell, waker) = Bell::new();
    assert_eq!(poll(consumer.as_mut(), Room::NONE, &waker).0, None);
    publish(&backend, "shop", "a");
    assert_eq!(bell.rings(), 0);
    assert_eq!(poll(consumer.as_mut(), ROOM, &waker).1.len(), 1);
    publish(&backend, "shop", "b");
    assert_eq!(bell.rings(), 0, "it is not parked");
    assert_eq!(poll(consumer.as_mut(), ROOM, &waker).1.len(), 1);
    assert_eq!(poll(consumer.as_mut(), ROOM, &waker).0, None);
    publish(&backend, "elsewhere", "x");
    assert_eq!(bell.rings(), 0);
    for payload in ["c", "d", "e", "f", "g"] {
        publish(&backend, "shop", payload);
    }
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(consumer.as_mut(), ROOM, &waker).1.len(), 5);
    assert_eq!(poll(consumer.as_mut(), ROOM, &waker).0, None);
    publish(&backend, "shop", "h");
    assert_eq!(bell.rings(), 2);
}

#[test]
fn the_last_waker_counts() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    let ((old, old_waker), (new, new_waker)) = (Bell::new(), Bell::new());
    assert_eq!(poll(consumer.as_mut(), ROOM, &old_waker).0, None);
    assert_eq!(poll(consumer.as_mut(), ROOM, &new_waker).0, None);
    publish(&backend, "shop", "a");
    assert_eq!((old.rings(), new.rings()), (0, 1));
}

#[test]
fn what_is_settled_out_of_order_does_not_come_again() {
    let backend = single();
    let orders = subscription("g", "shop");
    let mut consumer = consume(&backend, &orders);
    for n in 0..200 {
        publish(&backend, "shop", &n.to_string());
    }
    let taken = take(consumer.as_mut());
    let even: Vec<_> = taken.iter().filter(|delivery| delivery.token.position % 2 == 0).cloned().collect();
    settle(consumer.as_mut(), &even);
    drop(consumer);
    let mut consumer = join(&backend, &orders);
    let again = take(consumer.as_mut());
    assert_eq!(
        again.iter().map(|delivery| delivery.token.position).collect::<Vec<_>>(),
        (0..100).map(|n| 2 * n + 1).collect::<Vec<_>>()
    );
    assert!(again[0].token.generation > taken[0].token.generation);
    settle(consumer.as_mut(), &again);
    publish(&backend, "shop", "new");
    drop(consumer);
    assert_eq!(payloads(&take(join(&backend, &orders).as_mut())), ["new"]);
}

#[test]
fn stale_unknown_and_undelivered_tokens_are_ignored() {
    let backend = single();
    let orders = subscription("g", "shop");
    let mut first = consume(&backend, &orders);
    publish(&backend, "shop", "a");
    publish(&backend, "shop", "b");
    let old = take(first.as_mut());
    first.release(&Partitions::All);
    settle(first.as_mut(), &old);
    let current = take_within(first.as_mut(), Room { count: 1, bytes: 1 });
    assert_eq!(payloads(&current), ["a"], "it came back to the only member, in a new generation");
    let token = current[0].token;
    first.settle(
        &[
            old[0].token,
            Token { position: 1, ..token },
            Token { position: 1_000_000, ..token },
            Token { partition: 7, ..token },
            Token { generation: token.generation + 1, ..token },
        ],
        &[],
    );
    close(first.as_mut());
    settle(first.as_mut(), &current);
    let again = take(join(&backend, &orders).as_mut());
    assert_eq!(payloads(&again), ["a", "b"]);
}

#[test]
fn a_closed_consumer_has_left() {
    let backend = single();
    let orders = subscription("g", "shop");
    let mut consumer = consume(&backend, &orders);
    publish(&backend, "shop", "a");
    publish(&backend, "shop", "b");
    let taken = take(consumer.as_mut());
    settle(consumer.as_mut(), &taken[..1]);
    close(consumer.as_mut());
    close(consumer.as_mut());
    let mut into = Vec::new();
    let answer = consumer.poll_batch(&mut Context::from_waker(Waker::noop()), ROOM, &mut into);
    let Poll::Ready(Err(error)) = answer else { panic!("{answer:?}") };
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(payloads(&take(join(&backend, &orders).as_mut())), ["b"]);
}
