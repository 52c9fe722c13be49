//! Faults that a test asks for.

use super::*;

#[test]
fn the_next_publishes_fail_as_asked_and_the_others_do_not() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    let faults = backend.faults();
    faults.fail("shop", 2, ErrorKind::Connect);
    faults.fail("shop", 1, ErrorKind::Permission);
    publish(&backend, "other", "x");
    let kinds: Vec<_> = (0..3).map(|_| try_publish(&backend, "shop", "lost").unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::Connect, ErrorKind::Connect, ErrorKind::Permission]);
    publish(&backend, "shop", "stored");
    assert_eq!(payloads(&take(consumer.as_mut())), ["stored"]);
}

#[test]
fn an_unknown_outcome_is_either_of_the_two() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    backend.faults().leave_unknown("shop", 1, true);
    backend.faults().leave_unknown("shop", 1, false);
    for payload in ["stored", "lost"] {
        let error = try_publish(&backend, "shop", payload).unwrap_err();
        assert!(error.outcome_unknown() && error.is_transient(), "{error}");
    }
    assert_eq!(payloads(&take(consumer.as_mut())), ["stored"]);
}

#[tokio::test(start_paused = true)]
async fn confirmations_wait_until_they_are_released() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    let held = backend.faults().hold_confirmations("shop");
    let mut waiting = [send(&backend, "shop", None, "a"), send(&backend, "shop", None, "b")];
    assert!(waiting.iter_mut().all(is_pending));
    assert_eq!(payloads(&take(consumer.as_mut())), ["a", "b"], "they are stored");
    held.release();
    for waiting in waiting {
        waiting.await.unwrap();
    }
    publish(&backend, "shop", "c");

    let _held = backend.faults().hold_confirmations("shop");
    let waiting = send(&backend, "shop", None, "d");
    backend.kill();
    let error = waiting.await.unwrap_err();
    assert!(error.outcome_unknown(), "{error}");
}

#[test]
fn partitions_are_asked_for_and_lost_on_demand() {
    let memory = Memory::named("failing-partitions");
    let (one, two) = (connect(&memory), connect(&memory));
    let orders = subscription("g", "shop");
    let (mut first, mut second) = (consume(&one, &orders), join(&two, &orders));
    let going = revoked(first.as_mut());
    release(first.as_mut(), going.clone());
    (0..8).for_each(|n| _ = publish(&one, "shop", &n.to_string()));
    let (mine, theirs) = (take(first.as_mut()), take(second.as_mut()));
    one.faults().revoke();
    let kept = revoked(first.as_mut());
    assert_eq!((kept.len(), partitions(&mine)), (2, kept.clone()));
    settle(first.as_mut(), &mine[..1]);
    release(first.as_mut(), kept);
    assert_eq!(take(first.as_mut()).len(), mine.len() - 1, "they come back to it");

    two.faults().lose();
    assert_eq!(poll(second.as_mut(), ROOM, Waker::noop()).0, Some(Intake::Lost(Partitions::All)));
    settle(second.as_mut(), &theirs);
    let again = take(second.as_mut());
    assert_eq!(payloads(&again), payloads(&theirs));
    assert!(again[0].token.generation > theirs[0].token.generation);
    assert_eq!(poll(first.as_mut(), ROOM, Waker::noop()).0, None, "nobody else lost anything");
}

#[test]
fn a_consumer_that_hangs_is_told_nothing() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    backend.faults().stall();
    publish(&backend, "shop", "a");
    let (bell, waker) = Bell::new();
    assert_eq!(poll(consumer.as_mut(), ROOM, &waker).0, None);
    backend.faults().resume();
    assert_eq!(bell.rings(), 1);
    assert_eq!(payloads(&take(consumer.as_mut())), ["a"]);
}

#[test]
fn faults_are_of_one_connection() {
    let memory = Memory::named("failing-one");
    let (one, two) = (connect(&memory), connect(&memory));
    one.faults().fail("shop", 1, ErrorKind::Connect);
    publish(&two, "shop", "a");
    let clone = one.clone();
    assert!(try_publish(&clone, "shop", "b").is_err(), "a clone is the same connection");
    publish(&one, "shop", "c");
}
