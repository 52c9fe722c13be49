//! Brokers that die and come back, links that are cut, instances that are fenced, and messages that are gone.

use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use typebus::{
    ErrorKind,
    backend::kafka::{Kafka as Options, OnGap},
};
use typebus_servers::Kafka;

use crate::desk::{
    PATIENCE, ROOM, caught_up, close, connect, options, outgoing, payloads, provision, publish, settle,
    subscribe, subscription, take, unique,
};

async fn started(setup: typebus_servers::kafka::Setup) -> Kafka {
    spawn_blocking(move || setup.start()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_loses_nothing_that_was_confirmed() {
    let kafka = started(Kafka::setup()).await;
    let backend = connect(Options::from_url(&kafka.url()).unwrap());
    let (topic, count) = (unique("faults.orders"), 3_000);
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    let mut consumer = subscribe(&backend, &it).await;
    let mut publishing = Vec::new();
    for nth in 0..count {
        publishing.push(backend.publish(outgoing(&topic, &format!("k{}", nth % 7), &nth.to_string())));
        if nth == count / 3 {
            let taken = take(&mut consumer, 10).await;
            settle(&mut consumer, &taken[..5]);
            kafka.kill().unwrap();
        }
    }
    let kafka = spawn_blocking(move || kafka.restart().map(|()| kafka)).await.unwrap().unwrap();
    for confirmation in publishing {
        timeout(Duration::from_secs(60), confirmation).await.unwrap().unwrap();
    }
    let mut seen = vec![Vec::new(); 7];
    let mut total = 0;
    // Five were settled; whatever else was taken before is still held, and is given once.
    while total < count - 10 {
        let taken = take(&mut consumer, 1).await;
        for it in &taken {
            let nth: usize = String::from_utf8_lossy(it.message.payload()).parse().unwrap();
            seen[nth % 7].push(nth);
        }
        total += taken.len();
        settle(&mut consumer, &taken);
    }
    assert!(seen.iter().all(|key| key.is_sorted_by(|a, b| a < b)), "a key is out of order");
    close(&mut consumer).await;
    // What was held and not settled comes again, and nothing else.
    let mut next = subscribe(&backend, &it).await;
    let again = take(&mut next, 5).await;
    settle(&mut next, &again);
    caught_up(&backend, &it).await;
    close(&mut next).await;
    drop(kafka);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_whose_answer_does_not_come_has_an_unknown_outcome_in_time() {
    let kafka = started(Kafka::setup().proxied()).await;
    let url = kafka.url_of(typebus_servers::kafka::Listener::Proxied, None).unwrap();
    let backend = connect(Options::from_url(&url).unwrap().publish_timeout(Duration::from_secs(3)));
    let topic = unique("faults.link");
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    publish(&backend, &topic, "k", "first").await;
    kafka.proxy().unwrap().hold_answers();
    let began = Instant::now();
    let error =
        timeout(PATIENCE, backend.publish(outgoing(&topic, "k", "second"))).await.unwrap().unwrap_err();
    assert!(error.outcome_unknown() && began.elapsed() < Duration::from_secs(10), "{error}");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    kafka.proxy().unwrap().heal();
    kafka.proxy().unwrap().break_connections();
    publish(&backend, &topic, "k", "third").await;
    let mut consumer = subscribe(&backend, &it).await;
    let taken = take(&mut consumer, 3).await;
    assert_eq!(payloads(&taken), ["first", "second", "third"]);
    // The link goes while it consumes, and comes back.
    kafka.proxy().unwrap().cut();
    sleep(Duration::from_secs(2)).await;
    settle(&mut consumer, &taken);
    kafka.proxy().unwrap().heal();
    publish(&backend, &topic, "k", "fourth").await;
    let taken = take(&mut consumer, 1).await;
    assert_eq!(payloads(&taken), ["fourth"]);
    settle(&mut consumer, &taken);
    caught_up(&backend, &it).await;
    close(&mut consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_of_the_same_name_ends_the_first() {
    let topic = unique("faults.fence");
    let backend = connect(options().instance("node-1"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    publish(&backend, &topic, "k", "x").await;
    let mut first = subscribe(&backend, &it).await;
    take(&mut first, 1).await;
    let _second = subscribe(&backend, &it).await;
    let mut deliveries = Vec::new();
    let ended = poll_fn(|cx| first.poll_batch(cx, ROOM, &mut deliveries));
    let error = timeout(PATIENCE, ended).await.expect("it learns of it").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_gone_are_an_incident() {
    let setup = Kafka::setup()
        .property("log.retention.ms", 1_000)
        .property("log.roll.ms", 500)
        .property("log.segment.delete.delay.ms", 100)
        .property("log.retention.check.interval.ms", 300);
    let kafka = started(setup).await;
    let of = |on_gap| connect(Options::from_url(&kafka.url()).unwrap().partitions(1).on_gap(on_gap));
    let (stops, skips, topic) = (of(OnGap::Stop), of(OnGap::Skip), unique("faults.gone"));
    let it = subscription("billing", &topic);
    provision(&stops, std::slice::from_ref(&it)).await;
    for nth in 0..5 {
        publish(&stops, &topic, "k", &nth.to_string()).await;
    }
    let until_gone = async {
        // The last one stays: its segment is in use.
        let late = subscription("late", &topic);
        loop {
            sleep(Duration::from_millis(700)).await;
            publish(&stops, &topic, "k", "last").await;
            provision(&stops, std::slice::from_ref(&late)).await;
            let mut consumer = subscribe(&stops, &subscription(&unique("look"), &topic)).await;
            let first = take(&mut consumer, 1).await;
            close(&mut consumer).await;
            if first[0].token.position > 4 {
                return;
            }
        }
    };
    timeout(PATIENCE * 2, until_gone).await.expect("retention does its work");
    let mut consumer = subscribe(&stops, &it).await;
    let mut deliveries = Vec::new();
    let ended =
        timeout(PATIENCE, poll_fn(|cx| consumer.poll_batch(cx, ROOM, &mut deliveries))).await.unwrap();
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
    assert!(error.to_string().contains(&topic) && error.to_string().contains("on_gap"), "{error}");
    drop(consumer);
    let mut consumer = subscribe(&skips, &it).await;
    let goes_on = async {
        loop {
            // Whatever is there is soon gone, too.
            publish(&skips, &topic, "k", "after").await;
            let mut deliveries = Vec::new();
            let said = poll_fn(|cx| consumer.poll_batch(cx, ROOM, &mut deliveries));
            let _ = timeout(Duration::from_millis(300), said).await;
            if let Some(first) = deliveries.first() {
                return first.token.position;
            }
        }
    };
    assert!(timeout(PATIENCE, goes_on).await.expect("it goes on") > 4);
    close(&mut consumer).await;
}
