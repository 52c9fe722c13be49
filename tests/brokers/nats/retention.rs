//! A stream that let go of what a group has not read: an incident that is never silent.

use std::{future::poll_fn, time::Duration};

use typebus::{
    ErrorKind, Result,
    backend::{Order, Room, SendOptions, Start, Subscription, nats::OnGap},
};

use crate::help::{
    Place, Taker, ask_raw, connect, message, open, options, patiently, payloads, provisioned, publish,
    publish_with,
};

/// A stream for the topics of this test that keeps so many messages.
async fn limit(place: &Place, most: usize) {
    let name = place.topic("x").split('.').next().unwrap().to_owned();
    let config = format!(
        "{{\"name\":\"{name}\",\"subjects\":[\"{name}.>\"],\"retention\":\"limits\",\"storage\":\"file\",\
         \"num_replicas\":1,\"max_msgs\":{most},\"allow_msg_ttl\":true}}"
    );
    let answer = ask_raw(&format!("$JS.API.STREAM.CREATE.{name}"), &config).await;
    assert!(!answer.contains("error"), "{answer}");
}

async fn ended(taker: &mut Taker) -> Result<Vec<String>> {
    let mut into = Vec::new();
    let room = Room { count: 100, bytes: 1 << 30 };
    patiently("take", poll_fn(|cx| taker.consumer.poll_batch(cx, room, &mut into))).await?;
    Ok(payloads(&into))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_overtaken_by_its_stream_stops() {
    for order in [Order::Key, Order::None] {
        let place = Place::new();
        limit(&place, 3).await;
        let orders = Subscription { order, ..place.subscription("billing", "orders") };
        let backend = provisioned(&place, &[&orders]).await;
        publish(&backend, &orders.filter, "1").await.unwrap();
        let mut taker = Taker::join(&backend, &orders).await;
        let read = taker.take(1).await;
        taker.settle(&read);
        taker.close().await;
        for number in 2..9 {
            publish(&backend, &orders.filter, &number.to_string()).await.unwrap();
        }

        let mut taker = Taker::join(&backend, &orders).await;
        let error = ended(&mut taker).await.expect_err("a gap");
        assert_eq!(error.kind(), ErrorKind::Fatal, "{order:?}: {error}");
        for part in ["the next message to read is 2", "begins with 6", "on_gap = skip", &orders.group] {
            assert!(error.to_string().contains(part), "{error}");
        }
        drop(taker);

        let skipping = open(options().on_gap(OnGap::Skip));
        let mut taker = Taker::join(&skipping, &orders).await;
        assert_eq!(payloads(&taker.take(3).await), ["6", "7", "8"]);
    }
}

/// One that begins late, or has read everything, has missed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_meant_for_a_group_is_not_missed() {
    let place = Place::new();
    limit(&place, 3).await;
    let (orders, clicks) = (place.subscription("billing", "orders"), place.topic("clicks"));
    let backend = provisioned(&place, &[&orders]).await;
    publish(&backend, &clicks, "c").await.unwrap();
    publish(&backend, &orders.filter, "1").await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    let read = taker.take(1).await;
    taker.settle(&read);
    taker.close().await;
    publish(&backend, &clicks, "c").await.unwrap();
    publish(&backend, &clicks, "c").await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    assert!(taker.is_idle(Duration::from_millis(300)).await);
    taker.close().await;

    for number in 0..9 {
        publish(&backend, &clicks, &number.to_string()).await.unwrap();
    }
    let early = Some(Start::Earliest);
    let late = Subscription { start: early, ..place.subscription("late", "clicks") };
    patiently("provision", backend.provision(&place.plan(&[&late]))).await.unwrap();
    let mut taker = Taker::join(&backend, &late).await;
    assert_eq!(payloads(&taker.take(3).await), ["6", "7", "8"]);
}

/// What has expired, as its sender wished, is no incident.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_not_missed() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let soon = SendOptions { expires_in: Some(Duration::from_millis(900)), ..SendOptions::default() };
    publish_with(&backend, &orders.filter, message("gone"), soon).await.unwrap();
    let stream = orders.filter.split('.').next().unwrap();
    patiently("expiry", async {
        while !ask_raw(&format!("$JS.API.STREAM.INFO.{stream}"), "").await.contains("\"messages\":0") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    publish(&backend, &orders.filter, "there").await.unwrap();
    let mut taker = Taker::join(&connect(), &orders).await;
    assert_eq!(payloads(&taker.take(1).await), ["there"]);
}
