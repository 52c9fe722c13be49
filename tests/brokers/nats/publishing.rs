//! Publishing: what is stored, what is a repeat, what is refused.

use std::time::Duration;

use typebus::{
    ErrorKind,
    backend::{Attribute, MessageBuilder, Outgoing, SendOptions, Sender, Topic},
};

use crate::help::{
    Place, Taker, connect, keyed, message, open, options, outgoing, patiently, payloads, provisioned,
    publish, publish_with,
};

fn event(kind: &str, id: &str) -> typebus::backend::Message {
    let mut builder = MessageBuilder::with_payload(kind.as_bytes());
    for (attribute, value) in [(Attribute::Type, kind), (Attribute::Source, "shop"), (Attribute::Id, id)] {
        builder.attribute(attribute, value.as_bytes());
    }
    builder.build()
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_are_confirmed_in_the_order_of_the_calls() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let sent: Vec<_> = (0..3_000)
        .map(|number| backend.publish(outgoing(&orders.filter, keyed("k", &number.to_string()))))
        .collect();
    let mut before = 0;
    for sent in sent {
        let position: u64 =
            patiently("confirm", sent).await.unwrap().position.unwrap().to_string().parse().unwrap();
        assert!(position > before);
        before = position;
    }
    let mut taker = Taker::join(&backend, &orders).await;
    let got = payloads(&taker.take(3_000).await);
    assert!(got.iter().enumerate().all(|(number, payload)| *payload == number.to_string()));
    taker.close().await;
    patiently("close", backend.close()).await.unwrap();
}

/// Traps: a dead letter within the duplicate window; two types of event with one id.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_stored_once_and_what_only_looks_like_one_is_stored() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    for kind in ["placed.v1", "placed.v1", "cancelled.v1"] {
        let sent = backend.publish(outgoing(&orders.filter, event(kind, "1")));
        patiently("publish", sent).await.unwrap();
    }
    let letters = place.letters("billing");
    for _ in 0..2 {
        let letter = Outgoing { sender: Sender::DeadLetter, ..outgoing(&letters, event("placed.v1", "1")) };
        patiently("publish", backend.publish(letter)).await.unwrap();
    }
    let mut taker = Taker::join(&backend, &orders).await;
    assert_eq!(payloads(&taker.take(2).await), ["placed.v1", "cancelled.v1"]);
    let mut stream = patiently("browse", backend.browse(&letters)).await.unwrap();
    let mut found = Vec::new();
    while let Some(letter) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        found.push(letter.unwrap());
    }
    assert_eq!(found.len(), 2);
    patiently("discard", backend.discard(&letters, &found[..1])).await.unwrap();
    patiently("discard", backend.discard(&letters, &found[..1])).await.unwrap();
    let mut stream = patiently("browse", backend.browse(&letters)).await.unwrap();
    let next = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await.unwrap().unwrap();
    assert_eq!(next.position, found[1].position);
    assert!(std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_a_typed_error() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let kind =
        |result: typebus::Result<_>| result.map(|_: typebus::backend::Confirmation| ()).unwrap_err().kind();
    let nowhere = Topic::from("nowhere-at-all.orders");
    assert_eq!(kind(publish(&backend, &nowhere, "x").await), ErrorKind::Unroutable);
    let large = message(&"x".repeat(1024 * 1024 + 1));
    let sent = backend.publish(outgoing(&orders.filter, large));
    assert_eq!(kind(patiently("publish", sent).await), ErrorKind::TooLarge);
    let mut odd = MessageBuilder::with_payload(b"x");
    odd.header(b"nats-msg-id", b"1");
    let sent = backend.publish(outgoing(&orders.filter, odd.build()));
    assert_eq!(kind(patiently("publish", sent).await), ErrorKind::InvalidHeader);
    // The connection is as good as before.
    publish(&backend, &orders.filter, "x").await.unwrap();
    patiently("close", backend.close()).await.unwrap();
    assert_eq!(kind(publish(&backend, &orders.filter, "x").await), ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_server_is_a_publish_ends_in_time() {
    let options = options()
        .hosts(vec![("127.0.0.1".to_owned(), 1)])
        .publish_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_secs(1));
    let backend = open(options);
    let error = publish(&backend, &Topic::from("a.b"), "x").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Connect, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_is_a_floor_and_what_expired_does_not_come() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let after = |delay| SendOptions { delay: Some(Duration::from_millis(delay)), ..SendOptions::default() };
    let until = |ms| SendOptions { expires_in: Some(Duration::from_millis(ms)), ..SendOptions::default() };
    let began = std::time::Instant::now();
    let later = publish_with(&backend, &orders.filter, message("later"), after(700)).await.unwrap();
    assert_eq!(later.position, None);
    publish_with(&backend, &orders.filter, message("gone"), until(50)).await.unwrap();
    publish_with(&backend, &orders.filter, message("kept"), until(60_000)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    let waiting = connect();
    let filter = orders.clone();
    let mut caught_up = tokio::task::JoinSet::new();
    caught_up.spawn(async move { waiting.caught_up(&filter).await });
    let mut taker = Taker::join(&backend, &orders).await;
    let kept = taker.take(1).await;
    assert_eq!(payloads(&kept), ["kept"]);
    assert!(kept[0].past.as_deref().unwrap().age.is_some());
    taker.settle(&kept);
    let later = taker.take(1).await;
    assert!(began.elapsed() >= Duration::from_millis(700) && caught_up.try_join_next().is_none());
    assert_eq!(payloads(&later), ["later"]);
    taker.settle(&later);
    patiently("catch up", caught_up.join_next()).await.unwrap().unwrap().unwrap();
    taker.close().await;
}
