//! Processes that die, and what the next one is told.

use super::*;
use crate::backend::{Note, Past};

fn kill(backend: &MemoryBackend, consumer: &mut dyn Consumer) {
    backend.kill();
    let mut into = Vec::new();
    let answer = consumer.poll_batch(&mut Context::from_waker(Waker::noop()), ROOM, &mut into);
    let Poll::Ready(Err(error)) = answer else { panic!("{answer:?}") };
    assert_eq!(error.kind(), ErrorKind::Closed);
}

fn pasts(deliveries: &[Delivery]) -> Vec<(&str, Option<Past>)> {
    deliveries.iter().map(|delivery| (payload(delivery), delivery.past.as_deref().copied())).collect()
}

fn suspect(crashes: u32) -> Option<Past> {
    Some(Past { suspect: true, crashes, ..Past::default() })
}

fn record(consumer: &mut dyn Consumer, delivery: &Delivery) {
    let recorded = consumer.poll_record(&mut Context::from_waker(Waker::noop()), Some(delivery.token));
    assert!(matches!(recorded, Poll::Ready(Ok(()))));
}

fn memory(name: &str) -> Memory {
    Memory::named(format!("crashing-{name}")).partitions(1)
}

#[test]
fn what_a_dead_process_held_is_suspect_and_comes_again_in_order() {
    let memory = memory("suspects");
    let (dying, living) = (connect(&memory), connect(&memory));
    let orders = subscription("g", "shop");
    let mut consumer = consume(&dying, &orders);
    for payload in ["a", "b", "c", "d"] {
        publish(&living, "shop", payload);
    }
    let taken = take_within(consumer.as_mut(), Room { count: 3, bytes: 1_000 });
    settle(consumer.as_mut(), &taken[1..2]);
    let mut heir = join(&living, &orders);
    let (bell, waker) = Bell::new();
    assert_eq!(poll(heir.as_mut(), ROOM, &waker).0, None);
    kill(&dying, consumer.as_mut());
    assert_eq!(bell.rings(), 1);
    // Late settling is stale.
    settle(consumer.as_mut(), &taken);
    drop(consumer);
    let again = take(heir.as_mut());
    assert_eq!(pasts(&again), [("a", suspect(1)), ("c", suspect(1)), ("d", None)]);
    settle(heir.as_mut(), &again);
    publish(&living, "shop", "e");
    assert_eq!(pasts(&take(heir.as_mut())), [("e", None)]);
}

#[test]
fn whoever_was_recorded_did_it() {
    let memory = memory("recorded");
    let living = connect(&memory);
    let orders = subscription("g", "shop");
    provision(&living, &[&orders]);
    publish(&living, "shop", "a");
    publish(&living, "shop", "b");
    for crashes in 1..4 {
        let dying = connect(&memory);
        let mut consumer = join(&dying, &orders);
        let taken = take(consumer.as_mut());
        if crashes > 1 {
            assert_eq!(pasts(&taken), [("a", suspect(crashes - 1)), ("b", suspect(1))]);
            record(consumer.as_mut(), &taken[0]);
        }
        kill(&dying, consumer.as_mut());
    }
    // A suspect that is settled is nobody's fault: what else was held is suspected again, but no more than before.
    let dying = connect(&memory);
    let mut consumer = join(&dying, &orders);
    let taken = take(consumer.as_mut());
    assert_eq!(pasts(&taken), [("a", suspect(3)), ("b", suspect(1))]);
    record(consumer.as_mut(), &taken[0]);
    settle(consumer.as_mut(), &taken[..1]);
    drop(consumer);
    assert_eq!(pasts(&take(join(&living, &orders).as_mut())), [("b", suspect(1))]);
}

#[test]
fn a_clean_leave_carries_attempts_and_no_suspicion() {
    let backend = single();
    let orders = subscription("g", "shop");
    let mut first = consume(&backend, &orders);
    publish(&backend, "shop", "a");
    publish(&backend, "shop", "b");
    let taken = take(first.as_mut());
    record(first.as_mut(), &taken[0]);
    first.note(&[Note { token: taken[1].token, attempts: 3 }]);
    close(first.as_mut());
    let mut second = join(&backend, &orders);
    let attempts = Some(Past { attempts: 3, ..Past::default() });
    let taken = take(second.as_mut());
    assert_eq!(pasts(&taken), [("a", None), ("b", attempts)]);
    // A crash remembers them too.
    drop(second);
    let both = Some(Past { attempts: 3, suspect: true, crashes: 1, ..Past::default() });
    assert_eq!(pasts(&take(join(&backend, &orders).as_mut())), [("a", suspect(1)), ("b", both)]);
}

#[test]
fn what_is_released_is_recorded_no_more_and_noted() {
    let backend = single();
    let orders = subscription("g", "shop");
    let mut consumer = consume(&backend, &orders);
    publish(&backend, "shop", "a");
    let taken = take(consumer.as_mut());
    record(consumer.as_mut(), &taken[0]);
    consumer.note(&[Note { token: taken[0].token, attempts: 2 }]);
    consumer.release(&Partitions::All);
    drop(consumer);
    let attempts = Some(Past { attempts: 2, ..Past::default() });
    assert_eq!(pasts(&take(join(&backend, &orders).as_mut())), [("a", attempts)], "nobody held it");
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_publishes_nothing_and_nobody_waits_for_it() {
    let backend = connect(&Memory::new().partitions(1).capacity(1));
    let orders = subscription("g", "shop");
    provision(&backend, &[&orders]);
    publish(&backend, "shop", "a");
    let waiting = send(&backend, "shop", None, "b");
    let caught_up = backend.caught_up(&orders);
    let clone = backend.clone();
    let killing = tokio::spawn(async move { clone.kill() });
    let ended = [waiting.await.unwrap_err(), caught_up.await.unwrap_err()];
    killing.await.unwrap();
    let refused = [
        try_publish(&backend, "shop", "c").unwrap_err(),
        now(backend.subscribe(&orders)).unwrap_err(),
        now(backend.provision(&plan(&[&orders]))).unwrap_err(),
    ];
    for error in ended.iter().chain(&refused) {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
    now(backend.close()).unwrap();
}

#[test]
fn bare_memory_settles_for_good_at_once() {
    let memory = memory("durable");
    let (dying, living) = (connect(&memory), connect(&memory));
    let orders = subscription("g", "shop");
    let mut consumer = consume(&dying, &orders);
    (0..100).for_each(|n| _ = publish(&dying, "shop", &n.to_string()));
    let taken = take(consumer.as_mut());
    settle(consumer.as_mut(), &taken[1..]);
    kill(&dying, consumer.as_mut());
    assert_eq!(pasts(&take(join(&living, &orders).as_mut())), [("0", suspect(1))]);
}
