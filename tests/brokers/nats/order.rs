//! Order: one instance at a time, and everything again from the first that is not settled.

use std::time::Duration;

use typebus::backend::{Order, Subscription};

use crate::help::{Place, Taker, connect, payloads, provisioned, publish};

/// Trap: after a crash a careless client gets 6 to 10, and then 1, 2, 4 and 5.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_everything_comes_again_in_order_from_the_floor() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    for number in 0..10 {
        publish(&backend, &orders.filter, &number.to_string()).await.unwrap();
    }
    let mut first = Taker::join(&backend, &orders).await;
    let held = first.take(6).await;
    first.settle(&held[..1]);
    first.settle(&held[3..4]);
    let mut second = Taker::join(&connect(), &orders).await;
    assert!(second.is_idle(Duration::from_millis(500)).await);
    drop(first);
    let again = second.take(9).await;
    let numbers = payloads(&again);
    assert!(numbers == (1..10).map(|n| n.to_string()).collect::<Vec<_>>(), "{numbers:?}");
    second.settle(&again);
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_close_hands_over_at_once() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    for number in 0..4 {
        publish(&backend, &orders.filter, &number.to_string()).await.unwrap();
    }
    let mut first = Taker::join(&backend, &orders).await;
    let held = first.take(4).await;
    first.settle(&held[..2]);
    first.close().await;
    let mut second = Taker::join(&backend, &orders).await;
    let rest = second.take(2).await;
    assert_eq!(payloads(&rest), ["2", "3"]);
    assert!(rest.iter().all(|delivery| delivery.past.is_none()));
    second.settle(&rest);
    second.close().await;
    let mut third = Taker::join(&backend, &orders).await;
    assert!(third.is_idle(Duration::from_millis(300)).await);
}

/// Trap: what is held longer than the lease comes again, and overtakes.
#[tokio::test(flavor = "multi_thread")]
async fn leases_are_renewed_and_the_pin_is_kept_while_nothing_is_asked_for() {
    for order in [Order::Key, Order::None] {
        let place = Place::new();
        let orders = Subscription { order, ..place.subscription("billing", "orders") };
        let backend = provisioned(&place, &[&orders]).await;
        publish(&backend, &orders.filter, "a").await.unwrap();
        let mut first = Taker::join(&backend, &orders).await;
        let held = first.take(1).await;
        let mut second = Taker::join(&connect(), &orders).await;
        assert!(second.is_idle(Duration::from_secs(5)).await);
        assert!(first.is_idle(Duration::from_millis(50)).await);
        first.settle(&held);
        first.close().await;
        second.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_order_instances_compete() {
    let place = Place::new();
    let orders = Subscription { order: Order::None, ..place.subscription("billing", "orders") };
    let backend = provisioned(&place, &[&orders]).await;
    let mut takers = [Taker::join(&backend, &orders).await, Taker::join(&connect(), &orders).await];
    for number in 0..2 {
        publish(&backend, &orders.filter, &number.to_string()).await.unwrap();
    }
    let one = takers[0].take(1).await;
    let other = takers[1].take(1).await;
    let mut both = payloads(&[one, other].concat());
    both.sort();
    assert_eq!(both, ["0", "1"]);
    for taker in takers {
        taker.close().await;
    }
    let mut next = Taker::join(&backend, &orders).await;
    let again = next.take(2).await;
    assert!(again.iter().all(|delivery| !delivery.past.as_deref().is_some_and(|past| past.suspect)));
}
