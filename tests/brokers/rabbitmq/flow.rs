//! From a publish to its settlement, and what becomes of what is not settled.

use std::time::Duration;

use tokio::time::timeout;
use typebus::{
    ErrorKind,
    backend::{Order, SendOptions, Subscription, Topic},
};

use crate::help::{
    PATIENCE, Place, Taker, connect, keyed, message, open, options, outgoing, patiently, payloads,
    provisioned, publish, publish_with,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_is_gone_and_what_is_not_comes_again() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    for payload in ["a", "b", "c"] {
        publish(&backend, &orders.filter, payload).await.unwrap();
    }
    let mut taker = Taker::join(&backend, &orders).await;
    let taken = taker.take(3).await;
    assert_eq!(payloads(&taken), ["a", "b", "c"]);
    assert!(taken.iter().all(|delivery| delivery.topic == orders.filter && delivery.past.is_none()));
    taker.settle(&taken[1..2]);
    taker.close().await;
    let mut taker = Taker::join(&backend, &orders).await;
    let again = taker.take(2).await;
    assert_eq!(payloads(&again), ["a", "c"]);
    assert!(again.iter().all(|delivery| delivery.past.is_none()), "it was handed over, and nobody died");
    taker.settle(&again);
    taker.close().await;
    patiently("catch up", backend.caught_up(&orders)).await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    assert!(taker.is_idle(Duration::from_millis(300)).await);
    backend.close().await.unwrap();
    assert_eq!(publish(&backend, &orders.filter, "late").await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_group_and_every_instance_gets_everything_and_a_pattern_what_it_matches() {
    let place = Place::new();
    let one = place.subscription("one", "shop.*");
    let two = place.subscription("two", "shop.>");
    let own = |name: &str| Subscription {
        instance: Some(format!("{name}{:08x}", fastrand::u32(..))),
        ..place.subscription("three", "shop.a")
    };
    let (first, second) = (own("a"), own("b"));
    let backend = open(options().exchange(place.group("exchange")));
    backend.provision(&place.plan(&[&one, &two, &first, &second])).await.unwrap();
    for topic in ["shop.a", "shop.b", "shop.a.c"] {
        publish(&backend, &place.topic(topic), topic).await.unwrap();
    }
    let error = publish(&backend, &place.topic("shop"), "x").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Unroutable, false));
    let receive = async |subscription: &Subscription, count| {
        let mut taker = Taker::join(&backend, subscription).await;
        let taken = taker.take(count).await;
        assert!(taker.is_idle(Duration::from_millis(100)).await);
        taker.settle(&taken);
        taker.close().await;
        assert!(
            taken
                .iter()
                .all(|delivery| delivery.topic.ends_with(&payloads(std::slice::from_ref(delivery))[0]))
        );
        payloads(&taken)
    };
    assert_eq!(receive(&one, 2).await, ["shop.a", "shop.b"]);
    assert_eq!(receive(&two, 3).await, ["shop.a", "shop.b", "shop.a.c"]);
    assert_eq!(receive(&first, 1).await, ["shop.a"]);
    assert_eq!(receive(&second, 1).await, ["shop.a"]);
    // It left nothing behind.
    let error = publish(&backend, &place.topic("shop"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unroutable);
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_never_match_what_is_reserved() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let everything = Subscription { filter: Topic::from(">"), ..place.subscription("audit", "") };
    // On an exchange of its own, or it would receive what all other tests publish.
    let backend = open(options().exchange(place.group("exchange")));
    backend.provision(&place.plan(&[&orders, &everything])).await.unwrap();
    let (letters, mark) = (place.letters("billing"), place.topic("mark"));
    publish(&backend, &letters, "letter").await.unwrap();
    publish(&backend, &mark, "mark").await.unwrap();
    let mut taker = Taker::join(&backend, &everything).await;
    patiently("the mark", async {
        loop {
            let taken = taker.take(1).await;
            assert!(!taken[0].topic.starts_with("dead."), "{}", taken[0].topic);
            taker.settle(&taken);
            if taken[0].topic == mark {
                break;
            }
        }
    })
    .await;
    taker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_read_without_being_taken() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let letters = place.letters("billing");
    for n in 0..5 {
        publish(&backend, &letters, &n.to_string()).await.unwrap();
    }
    let read = async || {
        let mut stream = patiently("browse", backend.browse(&letters)).await.unwrap();
        let mut found = Vec::new();
        while let Some(letter) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            found.push(letter.unwrap());
        }
        found
    };
    for _ in 0..30 {
        assert_eq!(payloads(&read().await), ["0", "1", "2", "3", "4"]);
    }
    let found = read().await;
    backend.discard(&letters, &found[1..2]).await.unwrap();
    backend.discard(&letters, &found[1..2]).await.unwrap();
    assert_eq!(payloads(&read().await), ["0", "2", "3", "4"]);
    backend.discard(&letters, &found[2..]).await.unwrap();
    assert_eq!(payloads(&read().await), ["0"]);
    let nothing = backend.browse(&Topic::from("dead.nobody-has-this")).await.unwrap();
    assert_eq!(nothing.size_hint(), (0, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_not_delivered_and_is_no_dead_letter() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    publish_with(&backend, &orders.filter, message("short"), expiring(Duration::from_millis(1)))
        .await
        .unwrap();
    publish_with(&backend, &orders.filter, message("long"), expiring(Duration::from_secs(60))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut taker = Taker::join(&backend, &orders).await;
    let taken = taker.take(1).await;
    assert_eq!(payloads(&taken), ["long"]);
    let letters = backend.browse(&place.letters("billing")).await.unwrap();
    assert_eq!(letters.size_hint(), (0, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_leaves_the_connection_up() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = open(options().max_message(1024 * 1024));
    backend.provision(&place.plan(&[&orders])).await.unwrap();
    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(publish(&backend, &orders.filter, &large).await.unwrap_err().kind(), ErrorKind::TooLarge);
    publish(&backend, &orders.filter, &large[..900 * 1024]).await.unwrap();
    publish(&backend, &orders.filter, "").await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    let taken = taker.take(2).await;
    assert_eq!(taken.iter().map(|d| d.message.payload().len()).collect::<Vec<_>>(), [900 * 1024, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_caught_up_when_what_every_member_holds_is_settled() {
    for order in [Order::Key, Order::None] {
        let place = Place::new();
        let orders = Subscription { order, ..place.subscription("billing", "orders") };
        let (backend, other) = (provisioned(&place, &[&orders]).await, connect());
        patiently("an empty queue", backend.caught_up(&orders)).await.unwrap();
        let mut first = Taker::join(&backend, &orders).await;
        publish(&backend, &orders.filter, "a").await.unwrap();
        let held = first.take(1).await;
        let mut second = Taker::join(&other, &orders).await;
        {
            let waiting = backend.caught_up(&orders);
            let mut waiting = std::pin::pin!(waiting);
            let all = async {
                tokio::select! { _ = waiting.as_mut() => {}, () = first.idle() => {}, () = second.idle() => {} }
            };
            assert!(timeout(Duration::from_millis(500), all).await.is_err(), "{order:?}: it is not settled");
        }
        first.settle(&held);
        let waiting = async {
            tokio::select! { done = backend.caught_up(&orders) => done.unwrap(), () = first.idle() => {}, () = second.idle() => {} }
        };
        timeout(PATIENCE, waiting).await.expect("it is settled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_headers_travel() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    backend.publish(outgoing(&orders.filter, keyed("k", "a"))).await.unwrap();
    backend.publish(outgoing(&orders.filter, message("b"))).await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    let taken = taker.take(2).await;
    assert_eq!((taken[0].message.key(), taken[1].message.key()), (Some(&b"k"[..]), None));
    assert_eq!(taken[0].message.header_count(), 0);
}

fn expiring(within: Duration) -> SendOptions {
    SendOptions { expires_in: Some(within), ..SendOptions::default() }
}
