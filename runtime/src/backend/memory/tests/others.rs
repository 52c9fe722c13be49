//! Catching up, browsing, what is shown, and many threads.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::backend::BoxStream;

#[test]
fn caught_up_at_once_where_there_is_nothing_to_do() {
    let backend = connect(&Memory::new());
    let orders = subscription("g", "shop");
    provision(&backend, &[&orders]);
    now(backend.caught_up(&orders)).unwrap();
    publish(&backend, "other", "x");
    now(backend.caught_up(&orders)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn caught_up_means_settled_by_whichever_instance_and_not_more() {
    let memory = Memory::named("others-caught-up");
    let (here, there) = (connect(&memory), connect(&memory));
    let all = subscription("g", "shop.*");
    let mut consumer = consume(&here, &all);
    publish(&here, "shop.a", "1");
    publish(&here, "shop.b", "2");
    let mut caught_up = there.caught_up(&all);
    assert!(attempt(&mut caught_up).is_pending());
    publish(&here, "shop.a", "3");
    publish(&here, "shop.c", "4");
    let taken = take(consumer.as_mut());
    for delivery in &taken {
        let done = attempt(&mut caught_up);
        assert!(done.is_pending(), "not before {delivery:?}");
        settle(consumer.as_mut(), std::slice::from_ref(delivery));
        if payload(delivery) == "2" || payload(delivery) == "1" {
            let settled = taken.iter().position(|other| other.token == delivery.token).unwrap();
            let both =
                taken[..=settled].iter().filter(|other| matches!(payload(other), "1" | "2")).count() == 2;
            if both {
                break;
            }
        }
    }
    caught_up.await.unwrap();
}

#[test]
fn who_waits_to_be_caught_up_is_woken_once() {
    let backend = single();
    let orders = subscription("g", "shop");
    let mut consumer = consume(&backend, &orders);
    for payload in ["a", "b", "c"] {
        publish(&backend, "shop", payload);
    }
    let (bell, waker) = Bell::new();
    let mut waiting = backend.caught_up(&orders);
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop({
        let mut gone = backend.caught_up(&orders);
        assert!(attempt(&mut gone).is_pending());
        gone
    });
    let taken = take(consumer.as_mut());
    settle(consumer.as_mut(), &taken[1..]);
    assert_eq!(bell.rings(), 0);
    settle(consumer.as_mut(), &taken[..1]);
    assert_eq!(bell.rings(), 1);
    now(waiting).unwrap();
}

#[test]
fn closing_ends_the_waiting_to_be_caught_up() {
    let memory = Memory::named("others-closing");
    let (one, two) = (connect(&memory), connect(&memory));
    let orders = subscription("g", "shop");
    provision(&one, &[&orders]);
    publish(&one, "shop", "a");
    let (mut ours, mut theirs) = (one.caught_up(&orders), two.caught_up(&orders));
    assert!(attempt(&mut ours).is_pending() && attempt(&mut theirs).is_pending());
    now(one.close()).unwrap();
    assert_eq!(now(ours).unwrap_err().kind(), ErrorKind::Closed);
    assert!(attempt(&mut theirs).is_pending());
}

#[test]
fn browsing_shows_the_oldest_first_and_consumes_nothing() {
    let backend = connect(&Memory::new().partitions(3));
    let topic = Topic::from("dead.g");
    assert!(list(now(backend.browse(&topic)).unwrap()).is_empty());
    for n in 0..10 {
        let key = (n % 3 == 0).then_some("k");
        now(backend.publish(sending("dead.g", message(key, &n.to_string()), Sender::DeadLetter))).unwrap();
    }
    let stream = now(backend.browse(&topic)).unwrap();
    assert_eq!(stream.size_hint(), (10, Some(10)));
    publish(&backend, "dead.g", "later");
    let seen = list(stream);
    assert_eq!(payloads(&seen), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(seen.iter().all(|delivery| delivery.topic == topic && delivery.partition.is_some()));
    assert_eq!(list(now(backend.browse(&topic)).unwrap()).len(), 11);
}

fn list(mut stream: BoxStream<Result<Delivery>>) -> Vec<Delivery> {
    let mut all = Vec::new();
    while let Poll::Ready(Some(delivery)) = stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
    {
        all.push(delivery.unwrap());
    }
    all
}

#[test]
fn nothing_shows_a_payload() {
    let backend = connect(&Memory::named("others-debug").partitions(1).capacity(1));
    let mut consumer = consume(&backend, &subscription("billing", "shop"));
    publish(&backend, "shop", "secret");
    let waiting = send(&backend, "shop", None, "secret");
    let taken = take(consumer.as_mut());
    let shown = format!("{backend:?} {consumer:?} {waiting:?} {taken:?} {:?}", backend.0.broker);
    assert!(!shown.contains("secret"), "{shown}");
    assert!(!shown.contains("115, 101, 99"), "{shown}");
    for part in ["others-debug", "billing", "shop"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[test]
fn capabilities_are_all_there() {
    let backend = connect(&Memory::new().max_message(5_000));
    let able = backend.capabilities();
    assert!(
        able.patterns && able.key_order && able.partition_order && able.start_earliest && able.start_latest
    );
    assert_eq!((backend.system(), able.max_message), ("memory", 5_000));
}

/// Four publishers that must wait for room, three members of which one leaves and one crashes, on real threads: a
/// lost wake-up would hang it, and per key everything must come, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_lose_nothing() {
    const EACH: usize = 3_000;
    let backend = Arc::new(connect(&Memory::new().capacity(64)));
    let orders = subscription("g", "shop");
    provision(&backend, &[&orders]);
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    send(&backend, "shop", Some(&publisher.to_string()), &n.to_string()).await.unwrap();
                }
            })
        })
        .collect();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let members: Vec<_> = [usize::MAX, 500, 700]
        .into_iter()
        .enumerate()
        .map(|(member, stop_after)| {
            let (consumer, sender) = (join(&backend, &orders), sender.clone());
            tokio::spawn(work(consumer, sender, stop_after, member == 1))
        })
        .collect();
    drop(sender);
    let all = async {
        for publisher in publishers {
            publisher.await.unwrap();
        }
        backend.caught_up(&orders).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    members.iter().for_each(tokio::task::JoinHandle::abort);
    let mut next = BTreeMap::<String, usize>::new();
    while let Some((key, number)) = receiver.recv().await {
        let next = next.entry(key).or_default();
        assert_eq!(number, *next, "settled in order, each once");
        *next += 1;
    }
    assert_eq!(next.into_values().collect::<Vec<_>>(), [EACH; 4]);
}

/// Settles in order, and reports what it settles, until it has had enough.
async fn work(
    mut consumer: Box<dyn Consumer>,
    settled: tokio::sync::mpsc::UnboundedSender<(String, usize)>,
    stop_after: usize,
    crash: bool,
) {
    let mut count = 0;
    while count < stop_after {
        let mut into = Vec::new();
        let room = Room { count: 7, bytes: 1_000 };
        match poll_fn(|cx| consumer.poll_batch(cx, room, &mut into)).await.unwrap() {
            Intake::Deliveries => {
                for delivery in &into {
                    let key = String::from_utf8(delivery.message.key().unwrap().to_vec()).unwrap();
                    settled.send((key, payload(delivery).parse().unwrap())).unwrap();
                }
                settle(consumer.as_mut(), &into);
                count += into.len();
            }
            Intake::Revoking(partitions) => consumer.release(&partitions),
            news => panic!("{news:?}"),
        }
    }
    if !crash {
        poll_fn(|cx| consumer.poll_close(cx)).await.unwrap();
    }
}

#[test]
fn attributes_and_headers_survive() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    let mut builder = MessageBuilder::new();
    builder.key(b"k").attribute(Attribute::Type, b"order.v1").header(b"x-tenant", b"\xff");
    now(backend.publish(sending("shop", builder.build(), Sender::Program))).unwrap();
    let taken = take(consumer.as_mut());
    let message = &taken[0].message;
    assert_eq!(message.key(), Some(&b"k"[..]));
    assert_eq!(message.attribute(Attribute::Type), Some(&b"order.v1"[..]));
    assert_eq!(message.header("x-tenant"), Some(&b"\xff"[..]));
}
