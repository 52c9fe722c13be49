//! Start-up: what is created, what is refused, and all that is wrong at once.

use std::time::Duration;

use typebus::{
    ErrorKind,
    backend::{Order, Plan, Start, Subscription, Topic, nats::Provision},
};

use crate::help::{Place, Taker, connect, open, options, patiently, payloads, provisioned, publish};

#[tokio::test(flavor = "multi_thread")]
async fn verify_says_everything_that_is_missing_and_create_is_enough_for_it() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let plan = place.plan(&[&orders]);
    let verifying = open(options().provision(Provision::Verify));
    let error = patiently("verify", verifying.provision(&plan)).await.unwrap_err();
    assert_eq!((error.kind(), error.problems().len()), (ErrorKind::Topology, 2), "{error}");
    let _created = provisioned(&place, &[&orders]).await;
    let _again = provisioned(&place, &[&orders]).await;
    patiently("verify", verifying.provision(&plan)).await.unwrap();
    let other = open(options().provision(Provision::Verify).ack_wait(Duration::from_secs(7)).replicas(3));
    let error = patiently("verify", other.provision(&plan)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("num_replicas"), "{text}");
}

/// Trap: 10065, without a word about the other stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_the_way_is_shown() {
    let place = Place::new();
    let name = format!("{}-other", place.group("x"));
    let orders = place.subscription("billing", "orders");
    let theirs = open(options().stream(name.clone(), [orders.filter.as_str()]));
    patiently("provision", theirs.provision(&place.plan(&[&orders]))).await.unwrap();
    let error = patiently("provision", connect().provision(&place.plan(&[&orders]))).await.unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    // Named, it is used.
    publish(&theirs, &orders.filter, "a").await.unwrap();
    let mut taker = Taker::join(&theirs, &orders).await;
    assert_eq!(payloads(&taker.take(1).await), ["a"]);
    taker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_begins_with_a_wildcard_needs_named_streams() {
    let place = Place::new();
    let all = Subscription { filter: Topic::from(">"), ..place.subscription("audit", "x") };
    let plan = Plan { subscriptions: vec![all.clone()], ..Plan::default() };
    let error = patiently("provision", connect().provision(&plan)).await.unwrap_err();
    assert!(error.to_string().contains("stream.NAME"), "{error}");
    let (one, two) = (place.topic("one"), Place::new().topic("two"));
    let named =
        options().stream(place.group("one"), [one.as_str()]).stream(place.group("two"), [two.as_str()]);
    let backend = open(named);
    patiently("provision", backend.provision(&plan)).await.unwrap();
    publish(&backend, &one, "1").await.unwrap();
    publish(&backend, &two, "2").await.unwrap();
    let mut taker = Taker::join(&backend, &all).await;
    let mut both = payloads(&taker.take(2).await);
    both.sort();
    assert_eq!(both, ["1", "2"]);
    taker.close().await;
}

/// Trap: `latest`, and a crash before the first acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_begins_where_it_says() {
    let place = Place::new();
    let early = Subscription { start: Some(Start::Earliest), ..place.subscription("early", "orders") };
    let backend = provisioned(&place, &[&early]).await;
    publish(&backend, &early.filter, "before").await.unwrap();
    let late = Subscription { start: Some(Start::Latest), ..place.subscription("late", "orders") };
    patiently("provision", backend.provision(&place.plan(&[&late]))).await.unwrap();
    publish(&backend, &early.filter, "after").await.unwrap();
    let mut taker = Taker::join(&backend, &late).await;
    assert_eq!(payloads(&taker.take(1).await), ["after"]);
    drop(taker);
    let mut taker = Taker::join(&backend, &late).await;
    assert_eq!(payloads(&taker.take(1).await), ["after"]);
    let mut taker = Taker::join(&backend, &early).await;
    assert_eq!(payloads(&taker.take(2).await), ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_receives_from_now_on_and_leaves_nothing() {
    let place = Place::new();
    let instance = Some("i1".to_owned());
    let news = Subscription { instance, order: Order::None, ..place.subscription("cache", "news") };
    let backend = provisioned(&place, &[&place.subscription("keep", "news")]).await;
    publish(&backend, &news.filter, "before").await.unwrap();
    patiently("provision", backend.provision(&place.plan(&[&news]))).await.unwrap();
    publish(&backend, &news.filter, "after").await.unwrap();
    let mut taker = Taker::join(&backend, &news).await;
    let got = taker.take(1).await;
    assert_eq!(payloads(&got), ["after"]);
    taker.settle(&got);
    taker.close().await;
    let gone = patiently("subscribe", backend.subscribe(&news)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Topology);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_server_is_start_up_says_so_in_time() {
    let backend = open(options().hosts(vec![("127.0.0.1".to_owned(), 1)]).credentials("me", "hunter2"));
    let error = patiently("provision", backend.provision(&Plan::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(!format!("{error} {error:?} {backend:?}").contains("hunter2"));
}
