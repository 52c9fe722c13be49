//! Confirms and returns, which the client mixes up.

use std::{pin::Pin, task::Poll, time::Instant};

use lapin::{
    BasicProperties, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use typebus::ErrorKind;

use crate::help::{Place, Taker, message, outgoing, patiently, payloads, provisioned, raw};

const COUNT: usize = 4_000;

/// Every eighth goes nowhere.
fn is_routable(n: usize) -> bool {
    !n.is_multiple_of(8)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_publish_gets_its_own_answer() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let nowhere = place.topic("nowhere");
    let began = Instant::now();
    let mut answers: Vec<_> = (0..COUNT)
        .map(|n| {
            let topic = if is_routable(n) { &orders.filter } else { &nowhere };
            backend.publish(outgoing(topic, message(&n.to_string())))
        })
        .collect();
    for (n, answer) in answers.iter_mut().enumerate() {
        match patiently("publish", answer).await {
            Ok(_) => assert!(is_routable(n), "{n} was kept nowhere and confirmed"),
            Err(error) => {
                assert_eq!((error.kind(), is_routable(n)), (ErrorKind::Unroutable, false), "{n}: {error}");
            }
        }
    }
    println!("{COUNT} publishes, an eighth unroutable: {:?}", began.elapsed());
    let mut taker = Taker::join(&backend, &orders).await;
    let expected: Vec<String> = (0..COUNT).filter(|n| is_routable(*n)).map(|n| n.to_string()).collect();
    let mut taken = Vec::new();
    while taken.len() < expected.len() {
        let some = taker.next(1_000).await;
        taker.settle(&some);
        taken.extend(payloads(&some));
    }
    assert_eq!(taken, expected);
}

/// Trap: to believe the confirm that carries the return.
#[tokio::test(flavor = "multi_thread")]
async fn a_careless_program_takes_unroutable_for_confirmed() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let _backend = provisioned(&place, &[&orders]).await;
    let (_connection, channel) = raw().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let nowhere = place.topic("nowhere");
    let mut wrong = 0;
    // One round may be lucky.
    for _ in 0..5 {
        let mut confirms = Vec::new();
        for n in 0..COUNT {
            let topic = if is_routable(n) { &orders.filter } else { &nowhere };
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let sent = channel.basic_publish(
                "typebus".into(),
                topic.as_str().into(),
                options,
                b"x",
                BasicProperties::default(),
            );
            confirms.push(sent.await.unwrap());
        }
        for (n, confirm) in confirms.into_iter().enumerate() {
            let confirmed = patiently("confirm", confirm).await.unwrap();
            wrong += usize::from(matches!(confirmed, Confirmation::Ack(None)) && !is_routable(n));
        }
        if wrong > 0 {
            break;
        }
    }
    assert!(wrong > 0, "the client does not mix them up any more; the barrier in `publish.rs` may go");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_share_the_publisher_and_each_keeps_its_order() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let (backend, topic) = (backend.clone(), orders.filter.clone());
            tokio::spawn(async move {
                for n in 0..40 {
                    let sent = backend.publish(outgoing(&topic, message(&format!("{task} {n:02}"))));
                    patiently("publish", sent).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut taker = Taker::join(&backend, &orders).await;
    let mut last = [-1; 50];
    for text in payloads(&taker.take(1_000).await) {
        let (task, n) = text.split_once(' ').unwrap();
        let (task, n): (usize, i32) = (task.parse().unwrap(), n.parse().unwrap());
        assert_eq!(n, last[task] + 1);
        last[task] = n;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_waiting_harms_nobody() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    for n in 0..100 {
        let mut sent = backend.publish(outgoing(&orders.filter, message(&n.to_string())));
        let _ = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut sent).poll(cx))).await;
    }
    patiently("publish", backend.publish(outgoing(&orders.filter, message("last")))).await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    assert_eq!(payloads(&taker.take(101).await).last().unwrap(), "last");
    patiently("close", backend.close()).await.unwrap();
}
