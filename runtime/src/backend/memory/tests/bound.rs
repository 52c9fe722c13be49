//! The bound of a topic: what gives way, who waits, in which order, and how long.

use std::time::Duration;

use super::*;
use crate::backend::Position;

/// One partition of three messages.
fn small() -> MemoryBackend {
    connect(&Memory::new().partitions(1).capacity(3))
}

/// A full topic `shop` whose three messages a consumer has, unsettled.
fn full(backend: &MemoryBackend) -> (Box<dyn Consumer>, Vec<Delivery>) {
    let mut consumer = consume(backend, &subscription("billing", "shop"));
    for payload in ["a", "b", "c"] {
        publish(backend, "shop", payload);
    }
    let taken = take(consumer.as_mut());
    assert_eq!(taken.len(), 3);
    (consumer, taken)
}

fn rest(backend: &MemoryBackend) -> Vec<String> {
    let taken = take(consume(backend, &subscription("rest", "shop")).as_mut());
    payloads(&taken).into_iter().map(str::to_owned).collect()
}

#[test]
fn without_a_group_the_oldest_of_all_partitions_give_way() {
    let backend = connect(&Memory::new().partitions(3).capacity(4));
    for payload in ["a", "b", "c", "d", "e", "f", "g"] {
        publish(&backend, "shop", payload);
    }
    let mut left = rest(&backend);
    left.sort();
    assert_eq!(left, ["d", "e", "f", "g"]);
}

#[test]
fn bytes_are_bounded_too_and_an_empty_topic_takes_any_size() {
    let backend = connect(&Memory::new().partitions(1).capacity_bytes(10));
    for payload in ["aaaa", "bbbb", "cc", "d"] {
        publish(&backend, "shop", payload);
    }
    publish(&backend, "big", &"x".repeat(50));
    publish(&backend, "big", "y");
    assert_eq!(rest(&backend), ["bbbb", "cc", "d"]);
    assert_eq!(payloads(&take(consume(&backend, &subscription("g", "big")).as_mut())), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_every_group_settled_gives_way() {
    let backend = small();
    let (fast, slow) = (subscription("fast", "shop"), subscription("slow", "*"));
    let mut fast = consume(&backend, &fast);
    let mut slow = consume(&backend, &slow);
    for payload in ["a", "b", "c"] {
        publish(&backend, "shop", payload);
    }
    let taken = take(fast.as_mut());
    settle(fast.as_mut(), &taken);
    let mut waiting = send(&backend, "shop", None, "d");
    assert!(is_pending(&mut waiting));
    let taken = take(slow.as_mut());
    settle(slow.as_mut(), &taken[1..]);
    assert!(is_pending(&mut waiting), "the oldest is not settled by everyone");
    settle(slow.as_mut(), &taken[..1]);
    assert_eq!(now(waiting).unwrap().position, Some(Position::new(3)));
    assert_eq!(rest(&backend), ["b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_comes_later_holds_what_it_has_not_settled() {
    let backend = small();
    for payload in ["a", "b", "c", "d"] {
        publish(&backend, "shop", payload);
    }
    provision(&backend, &[&subscription("late", "shop")]);
    assert!(is_pending(&mut send(&backend, "shop", None, "e")));
    let taken = take(join(&backend, &subscription("late", "shop")).as_mut());
    assert_eq!(payloads(&taken), ["b", "c", "d"]);
}

#[test]
fn what_is_kept_beyond_the_cursor_stays_readable_for_later_groups() {
    let backend = small();
    let (mut consumer, taken) = full(&backend);
    settle(consumer.as_mut(), &taken);
    assert_eq!(rest(&backend), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_never_give_way() {
    let backend = small();
    for n in 0..9 {
        let letter = sending("dead.billing", message(None, &n.to_string()), Sender::DeadLetter);
        assert_eq!(now(backend.publish(letter)).unwrap().position, Some(Position::new(n)));
    }
    assert!(is_pending(&mut send(&backend, "dead.billing", None, "x")));
    let taken = take(consume(&backend, &subscription("g", "dead.billing")).as_mut());
    assert_eq!(taken.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn handlers_and_dead_letters_pass_the_bound_and_the_queue() {
    let backend = small();
    let (mut consumer, taken) = full(&backend);
    let mut waiting = send(&backend, "shop", None, "z");
    assert!(is_pending(&mut waiting));
    for sender in [Sender::Handler, Sender::DeadLetter] {
        now(backend.publish(sending("shop", message(None, "h"), sender))).unwrap();
    }
    settle(consumer.as_mut(), &taken);
    // Two are held beyond the three that were settled: there is room for one.
    assert_eq!(now(waiting).unwrap().position, Some(Position::new(5)));
    assert_eq!(rest(&backend), ["h", "h", "z"]);
}

#[test]
fn what_passed_the_bound_is_dropped_when_it_is_settled() {
    let backend = small();
    let (mut consumer, _) = full(&backend);
    for n in 0..10 {
        now(backend.publish(sending("shop", message(None, &n.to_string()), Sender::Handler))).unwrap();
    }
    drop(take(consumer.as_mut()));
    drop(consumer);
    let mut consumer = join(&backend, &subscription("billing", "shop"));
    let taken = take(consumer.as_mut());
    assert_eq!(taken.len(), 13);
    settle(consumer.as_mut(), &taken);
    assert_eq!(rest(&backend), ["7", "8", "9"]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_waits_its_time_and_says_what_to_do() {
    let backend = small();
    let (_consumer, _taken) = full(&backend);
    let start = tokio::time::Instant::now();
    let error = send(&backend, "shop", None, "d").await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(
        (error.kind(), error.backend(), error.outcome_unknown()),
        (ErrorKind::Full, Some("memory"), false)
    );
    assert!(error.is_transient());
    let text = error.to_string();
    for part in [
        "topic `shop`",
        "30s",
        "3 of 3 messages",
        "3 of 67108864 bytes",
        "group `billing` on `shop` holds it with 3 messages",
        "raise `capacity`",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_begins_with_the_call() {
    let backend = small();
    let (_consumer, _taken) = full(&backend);
    let waiting = send(&backend, "shop", None, "d");
    tokio::time::sleep(Duration::from_secs(31)).await;
    let start = tokio::time::Instant::now();
    assert_eq!(waiting.await.unwrap_err().kind(), ErrorKind::Full);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_time_for_ever_and_no_time_at_all() {
    let patient = connect(&Memory::new().partitions(1).capacity(3).full_after(Duration::MAX));
    let (mut consumer, taken) = full(&patient);
    let waiting = tokio::spawn(send(&patient, "shop", None, "d"));
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    settle(consumer.as_mut(), &taken);
    waiting.await.unwrap().unwrap();

    let hasty = connect(&Memory::new().partitions(1).capacity(3).full_after(Duration::ZERO));
    let (_consumer, _taken) = full(&hasty);
    assert_eq!(send(&hasty, "shop", None, "d").await.unwrap_err().kind(), ErrorKind::Full);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_in_the_order_of_the_calls() {
    let backend = small();
    let (mut consumer, taken) = full(&backend);
    let waiting: Vec<_> = ["d", "e", "f"].map(|payload| send(&backend, "shop", Some("k"), payload)).into();
    // Nobody polls them yet; and there is no overtaking even where there would be room.
    settle(consumer.as_mut(), &taken[..1]);
    let late = send(&backend, "shop", Some("k"), "g");
    settle(consumer.as_mut(), &taken[1..]);
    let mut positions = Vec::new();
    for publishing in waiting.into_iter().rev() {
        positions.push(publishing.await.unwrap().position);
    }
    assert_eq!(positions, [5, 4, 3].map(|at| Some(Position::new(at))));
    let taken = take(consumer.as_mut());
    assert_eq!(payloads(&taken), ["d", "e", "f"]);
    settle(consumer.as_mut(), &taken);
    assert_eq!(late.await.unwrap().position, Some(Position::new(6)));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_publish_is_woken_by_room() {
    let backend = small();
    let (mut consumer, taken) = full(&backend);
    let tasks = ["d", "e", "f"].map(|payload| tokio::spawn(send(&backend, "shop", None, payload)));
    tokio::task::yield_now().await;
    settle(consumer.as_mut(), &taken);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(payloads(&take(consumer.as_mut())), ["d", "e", "f"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_publish_leaves_no_ghost_and_holds_nobody_up() {
    let backend = small();
    let (mut consumer, taken) = full(&backend);
    let (mut first, mut second) = (send(&backend, "shop", None, "d"), send(&backend, "shop", None, "e"));
    let (bell, waker) = Bell::new();
    assert!(is_pending(&mut first));
    assert!(Pin::new(&mut second).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(first);
    settle(consumer.as_mut(), &taken[..1]);
    assert_eq!(bell.rings(), 1);
    assert_eq!(now(second).unwrap().position, Some(Position::new(3)));
    assert_eq!(payloads(&take(consumer.as_mut())), ["e"]);
}

#[test]
fn a_publish_that_is_dropped_after_it_was_stored_stays() {
    let backend = small();
    let (mut consumer, taken) = full(&backend);
    let waiting = send(&backend, "shop", None, "d");
    settle(consumer.as_mut(), &taken);
    drop(waiting);
    assert_eq!(payloads(&take(consumer.as_mut())), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn a_large_message_that_goes_lets_a_small_one_through() {
    for timeout in [false, true] {
        let options = Memory::new().partitions(1).capacity_bytes(10).full_after(Duration::from_secs(5));
        let backend = connect(&options);
        let mut consumer = consume(&backend, &subscription("g", "shop"));
        publish(&backend, "shop", "12345678");
        let large = send(&backend, "shop", None, "12345");
        let mut small = send(&backend, "shop", None, "1");
        assert!(is_pending(&mut small), "it does not overtake");
        if timeout {
            assert_eq!(large.await.unwrap_err().kind(), ErrorKind::Full);
        } else {
            drop(large);
        }
        assert_eq!(now(small).unwrap().position, Some(Position::new(1)));
        assert_eq!(payloads(&take(consumer.as_mut())), ["12345678", "1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_what_was_handed_in() {
    let memory = Memory::named("bound-close").partitions(1).capacity(3);
    let backend = connect(&memory);
    let (mut consumer, taken) = full(&backend);
    let waiting = send(&backend, "shop", None, "d");
    let mut closing = backend.close();
    assert!(attempt(&mut closing).is_pending());
    assert_eq!(try_publish(&backend, "shop", "e").unwrap_err().kind(), ErrorKind::Closed);
    settle(consumer.as_mut(), &taken);
    closing.await.unwrap();
    waiting.await.unwrap();
    assert_eq!(payloads(&take(consumer.as_mut())), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn close_gives_up_in_time_what_nobody_polls() {
    let memory = Memory::named("bound-close-late").partitions(1).capacity(3);
    let (backend, other) = (connect(&memory), connect(&memory));
    let (mut consumer, taken) = full(&backend);
    let waiting = send(&backend, "shop", None, "d");
    let others = send(&other, "shop", None, "e");
    let start = tokio::time::Instant::now();
    backend.close().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
    settle(consumer.as_mut(), &taken);
    assert_eq!(waiting.await.unwrap_err().kind(), ErrorKind::Full);
    others.await.unwrap();
    assert_eq!(payloads(&take(consumer.as_mut())), ["e"]);
}
