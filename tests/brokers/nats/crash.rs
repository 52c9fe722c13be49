//! What is remembered of processes that died.

use std::{future::poll_fn, time::Duration};

use typebus::backend::{Order, Past, Subscription};

use crate::help::{Place, Taker, connect, patiently, payloads, provisioned, publish};

fn pasts(deliveries: &[typebus::backend::Delivery]) -> Vec<Option<(bool, u32)>> {
    let past = |past: &Past| (past.suspect, past.crashes);
    deliveries.iter().map(|delivery| delivery.past.as_deref().map(past)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suspect_that_was_recorded_is_counted_and_its_neighbours_are_not() {
    for order in [Order::Key, Order::None] {
        let place = Place::new();
        let orders = Subscription { order, ..place.subscription("billing", "orders") };
        let backend = provisioned(&place, &[&orders]).await;
        for payload in ["innocent", "guilty", "late"] {
            publish(&backend, &orders.filter, payload).await.unwrap();
        }
        let mut taker = Taker::join(&backend, &orders).await;
        assert_eq!(pasts(&taker.take(3).await), [None, None, None]);
        drop(taker);
        for deaths in 1..=3 {
            let backend = connect();
            let mut taker = Taker::join(&backend, &orders).await;
            let held = taker.take(3).await;
            assert_eq!(payloads(&held), ["innocent", "guilty", "late"]);
            let expected = [1, deaths, 1].map(|crashes| Some((true, crashes)));
            assert_eq!(pasts(&held), expected, "{order:?}");
            if deaths == 3 {
                taker.settle(&held[..1]);
                taker.close().await;
                break;
            }
            // The innocent one survives, so that it answers for nothing that comes after.
            for suspect in [Some(held[0].token), None, Some(held[1].token)] {
                patiently("record", poll_fn(|cx| taker.consumer.poll_record(cx, suspect))).await.unwrap();
            }
            drop(taker);
        }
        // The last one left in order, and what is known goes along.
        let mut taker = Taker::join(&backend, &orders).await;
        let held = taker.take(2).await;
        assert_eq!(payloads(&held), ["guilty", "late"]);
        assert_eq!(pasts(&held)[0], Some((true, 3)), "{order:?}");
        taker.settle(&held);
        taker.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_learns_of_the_crash() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let (backend, other) = (provisioned(&place, &[&orders]).await, connect());
    publish(&backend, &orders.filter, "a").await.unwrap();
    let mut first = Taker::join(&backend, &orders).await;
    assert_eq!(pasts(&first.take(1).await), [None]);
    let mut second = Taker::join(&other, &orders).await;
    assert!(second.is_idle(Duration::from_millis(100)).await);
    drop(first);
    let held = second.take(1).await;
    assert_eq!(pasts(&held), [Some((true, 1))]);
    publish(&backend, &orders.filter, "b").await.unwrap();
    assert_eq!(pasts(&second.take(1).await), [None]);
}
