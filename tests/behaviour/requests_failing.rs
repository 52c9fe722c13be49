//! Requests that are not answered: what the caller is told, what expires, and what a reply that cannot be had is worth.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use typebus::{
    Config, Error, ErrorKind, Reason, Tuning,
    backend::{Outgoing, Publishing, Subscription},
    prelude::*,
    testing::Foreign,
};
use typebus_tests::{Does, broker, caught_up, letters, patiently, start};

use crate::{
    quotes::{Desk, GetQuote, Office, Shop, able, fates, given_up, office, seconds, shop},
    requests::Market,
    wrapped::Wrapped,
};

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_what_is_given_up_is_told_at_once() {
    let (url, desk) = (broker(), Desk::default());
    let (bus, running) = office(&url, &desk).await;
    let shop = shop(&url).await;
    for (does, after, says) in [
        (vec![Does::Bury], 0, "service \"office\" gave it up (failed): hopeless"),
        (vec![Does::Drop], 0, "service \"office\" gave it up (discarded): not needed"),
        (vec![Does::Fail; 3], 2, "(failed): failed"),
        (vec![Does::Panic; 3], 2, "(panicked): panicked: as it was told"),
    ] {
        let began = Instant::now();
        let error = patiently(shop.request(&GetQuote::does(does))).await.unwrap_err();
        let text = given_up(&error);
        assert!(text.contains(says), "{text}");
        assert_eq!(began.elapsed(), seconds(after), "{text}");
    }
    caught_up(&running).await;
    assert_eq!(fates(&running), [0, 3, 1, 0]);
    let reasons: Vec<_> = letters(&bus, "office").await.iter().map(typebus::DeadLetter::reason).collect();
    assert_eq!(reasons.len(), 3);
    assert_eq!(reasons.iter().filter(|reason| **reason == Reason::Failed).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_replayed_is_run_and_answers_nobody() {
    let (url, desk) = (broker(), Desk::default());
    let answering = able(&url);
    let answered = answering.sent.clone();
    let bus = Bus::<Office>::builder().state(desk.clone()).connect(answering).await.unwrap();
    let running = bus.start().await.unwrap();
    let shop = shop(&url).await;
    let error = shop.request(&GetQuote::does([Does::Bury])).timeout(seconds(5)).await.unwrap_err();
    assert!(given_up(&error).contains("hopeless"));
    // Its caller was told, and is gone; so it does not expire either.
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(bus.dead_letters("office").replay_all().await.unwrap(), 1);
    caught_up(&running).await;
    assert_eq!(desk.journal.beginnings(), [(1, 1), (1, 1)]);
    let replies = answered.all().into_iter().filter(|sent| sent.topic.starts_with("reply."));
    assert_eq!(replies.count(), 1);
    assert_eq!(letters(&bus, "office").await[0].redriven(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_read_is_given_up_as_well() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, running) = office(&url, &desk).await;
    let backend = able(&url);
    let sent = backend.sent.clone();
    let shop = Bus::<Shop>::builder().connect(backend).await.unwrap();
    let mut asking = tokio::spawn({
        let shop = shop.clone();
        async move { shop.request(&GetQuote::does([Does::Hang])).await }
    });
    desk.gate.crowd(1).await;
    // Somebody repeats the call with another version and another payload.
    let request = sent.all().remove(0).message;
    let foreign = Foreign::connect(&url).unwrap();
    for (kind, payload) in [("get.quote.v9", "{}"), ("get.quote.v1", "{ not json")] {
        let mut message = foreign.message("prices.quotes").header("ce_type", kind).payload(payload);
        for name in ["typebus-reply-to", "typebus-call"] {
            message = message.header(name, request.header(name).unwrap());
        }
        message.send().await.unwrap();
        if kind == "get.quote.v9" {
            let error = patiently(&mut asking).await.unwrap().unwrap_err();
            assert!(given_up(&error).contains("(unknown-version)"), "{error}");
        }
    }
    desk.gate.open();
    caught_up(&running).await;
    assert_eq!(fates(&running), [1, 2, 0, 0]);
    // Only the first of three replies found somebody who waited.
    let running = shop.start().await.unwrap();
    patiently(async {
        while running.stats().late_replies() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_time_out_says_what_it_can_and_cannot_tell() {
    let url = broker();
    let shop = shop(&url).await;
    for (timeout, expected) in [(None, 30), (Some(seconds(2)), 2)] {
        let began = Instant::now();
        let request = shop.request(&GetQuote::of(1));
        let request = match timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        };
        let error = request.await.unwrap_err();
        assert_eq!(began.elapsed(), seconds(expected));
        assert_eq!((error.kind(), error.backend()), (ErrorKind::Timeout, Some("wrapped")));
        assert!(error.outcome_unknown() && error.is_transient());
        let text = error.to_string();
        assert!(text.contains("get.quote.v1 on prices.quotes") && text.contains("`.timeout(..)`"), "{text}");
    }
    let tuning = Tuning { request_timeout: seconds(3), ..Tuning::default() };
    let config = Config::from_vars([("TYPEBUS_TUNING_REQUEST_TIMEOUT".into(), "3s".into())]);
    for builder in [Bus::<Shop>::builder().tuning(tuning), Bus::<Shop>::builder().config(config)] {
        let shop = builder.connect(able(&url)).await.unwrap();
        let began = Instant::now();
        assert_eq!(shop.request(&GetQuote::of(1)).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(began.elapsed(), seconds(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_knows_of_no_replier_says_so_at_once() {
    let unroutable = Wrapped {
        publish: |_| {
            Some(Publishing::ready(Err(Error::new(ErrorKind::Unroutable, "publish", "no queue is bound"))))
        },
        ..able("memory:")
    };
    let shop = Bus::<Shop>::builder().connect(unroutable).await.unwrap();
    let began = Instant::now();
    let error = shop.request(&GetQuote::of(1)).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::NoReplier, Duration::ZERO));
    assert!(error.to_string().contains("no queue is bound"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_expired_before_it_arrived_is_not_run() {
    // One that cannot drop it itself.
    let (url, desk) = (format!("{}?profile=kafka", broker()), Desk::default());
    let late = Bus::<Office>::builder().state(desk.clone()).connect(able(&url)).await.unwrap();
    let shop = shop(&url).await;
    let error = shop.request(&GetQuote::of(1)).timeout(seconds(5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // Not a request, and as old as that one.
    shop.publish(&GetQuote::of(2)).await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    let running = start(&late).await;
    assert_eq!(desk.journal.beginnings(), [(2, 1)]);
    assert_eq!(fates(&running), [1, 0, 0, 1]);
    assert_eq!(typebus_tests::counts(&running).settled(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_expires_while_it_waits_for_its_turn_is_not_run() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, running) = office(&url, &desk).await;
    let shop = shop(&url).await;
    let ask = |number: u32, does: Vec<Does>, timeout| {
        let shop = shop.clone();
        let request = GetQuote { number, key: Some("one".into()), does };
        tokio::spawn(async move { shop.request(&request).timeout(timeout).await })
    };
    let slow = ask(1, vec![Does::Take(5_000)], seconds(30));
    desk.journal.begun(1).await;
    let (short, long) = (ask(2, vec![], seconds(4)), ask(3, vec![], seconds(20)));
    assert_eq!(slow.await.unwrap().unwrap().number, 1);
    assert_eq!(short.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(long.await.unwrap().unwrap().number, 3);
    caught_up(&running).await;
    assert_eq!(desk.journal.beginnings(), [(1, 1), (3, 1)]);
    assert_eq!(fates(&running), [2, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_expires_between_two_attempts_is_not_run_again() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, running) = office(&url, &desk).await;
    let shop = shop(&url).await;
    let began = Instant::now();
    let error = shop.request(&GetQuote::does([Does::FailFor(50_000)])).timeout(seconds(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    caught_up(&running).await;
    assert_eq!(began.elapsed(), seconds(4), "nor does it hold up its key");
    assert_eq!((desk.journal.beginnings(), fates(&running)), (vec![(1, 1)], [0, 0, 0, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_request_in_an_unknown_version_waits_no_longer_than_its_caller() {
    let url = broker();
    let market = Bus::<Market>::builder().connect(able(&url)).await.unwrap();
    let running = market.start().await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let message = foreign.message("prices.offers").header("ce_type", "get.offers.v3").key("k");
    message.header("typebus-time-to-live", "4000").send().await.unwrap();
    let began = Instant::now();
    while running.ready().is_ready() {
        tokio::task::yield_now().await;
    }
    caught_up(&running).await;
    assert_eq!((fates(&running), began.elapsed()), ([0, 0, 0, 1], seconds(4)));
    assert!(running.ready().is_ready(), "{:?}", running.ready());
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_late_or_to_a_dropped_call_is_counted() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, office) = office(&url, &desk).await;
    let bus = shop(&url).await;
    let running = bus.start().await.unwrap();
    let error = bus.request(&GetQuote::does([Does::Take(5_000)])).timeout(seconds(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let dropped = bus.request(&GetQuote::does([Does::Take(1_000)]));
    assert!(tokio::time::timeout(Duration::from_millis(1), dropped).await.is_err());
    assert_eq!(running.stats().late_replies(), 0);
    caught_up(&office).await;
    // Whoever asks now gets a reply behind those two.
    bus.request(&GetQuote::of(3)).await.unwrap();
    assert_eq!(running.stats().late_replies(), 2);
    assert_eq!(fates(&office), [3, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_stops_ends_its_calls() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, _office) = office(&url, &desk).await;
    let bus = shop(&url).await;
    let running = bus.start().await.unwrap();
    let asking = tokio::spawn({
        let bus = bus.clone();
        async move { bus.request(&GetQuote::does([Does::Hang])).await }
    });
    desk.gate.crowd(1).await;
    let began = Instant::now();
    patiently(running.stop()).await.unwrap();
    for error in [asking.await.unwrap().unwrap_err(), bus.request(&GetQuote::of(2)).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        assert!(error.to_string().contains("the bus was stopped"), "{error}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_forged_reply_topic_is_no_way_to_publish() {
    let (url, desk) = (broker(), Desk::default());
    let answering = able(&url);
    let answered = answering.sent.clone();
    let bus = Bus::<Office>::builder().state(desk.clone()).connect(answering).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let forged: [&[u8]; 14] = [
        b"shop.orders",
        b"dead.office",
        b"reply",
        b"reply.shop",
        b"reply.shop.",
        b"reply..1",
        b"reply.shop.1.2",
        b"reply.shop.*",
        b"reply.>",
        b"reply.sh_op.1",
        b"reply.shop.ABC",
        b"reply.shop.0123456789012345678901234567890123",
        b"xreply.shop.1",
        b"\xff\xfe",
    ];
    for reply_to in forged {
        let message = foreign.message("prices.quotes").header("ce_type", "get.quote.v1");
        let message = message.header("typebus-reply-to", reply_to).header("typebus-call", "1");
        message.payload(r#"{"number":1,"key":null,"does":[]}"#).send().await.unwrap();
    }
    // A topic as it should be, but no call; and one that nobody reads.
    for (name, value) in [("x", "y"), ("typebus-call", "7")] {
        let message = foreign.message("prices.quotes").header("ce_type", "get.quote.v1");
        let message = message.header("typebus-reply-to", "reply.shop.1").header(name, value);
        message.payload(r#"{"number":1,"key":null,"does":["Bury"]}"#).send().await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(fates(&running), [14, 2, 0, 0]);
    let topics: Vec<_> = answered.all().iter().map(|sent| sent.topic.to_string()).collect();
    assert_eq!(topics.iter().filter(|topic| *topic == "dead.office").count(), 2);
    assert_eq!(topics.iter().filter(|topic| *topic == "reply.shop.1").count(), 1);
    assert_eq!(topics.len(), 3, "{topics:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_published_is_not_sent_again_and_its_request_is_done() {
    let at_once = |out: &Outgoing| out.topic.starts_with("reply.").then(|| Publishing::ready(Err(gone())));
    let later = |out: &Outgoing| {
        let lost = async {
            tokio::time::sleep(seconds(1)).await;
            Err(Error::new(ErrorKind::Connect, "publish", "the connection is lost"))
        };
        out.topic.starts_with("reply.").then(|| Publishing::pending(lost))
    };
    let ways: [fn(&Outgoing) -> Option<Publishing>; 2] = [at_once, later];
    for publish in ways {
        let (url, desk) = (broker(), Desk::default());
        let answering = Wrapped { publish, ..able(&url) };
        let answered = answering.sent.clone();
        let bus = Bus::<Office>::builder().state(desk.clone()).connect(answering).await.unwrap();
        let running = bus.start().await.unwrap();
        let shop = shop(&url).await;
        for does in [vec![], vec![Does::Drop]] {
            let error = shop.request(&GetQuote::does(does)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
        caught_up(&running).await;
        assert_eq!(fates(&running), [1, 0, 1, 0]);
        assert_eq!((desk.journal.beginnings().len(), answered.count()), (2, 2));
        assert!(letters(&bus, "office").await.is_empty());
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unroutable, "publish", "the topic is gone")
}

#[tokio::test(start_paused = true)]
async fn replies_that_cannot_be_read_any_more_end_every_call() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, _office) = office(&url, &desk).await;
    let backend = able(&url);
    let breaks = Arc::clone(&backend.breaks);
    let shop = Bus::<Shop>::builder().connect(backend).await.unwrap();
    let hanging = tokio::spawn({
        let shop = shop.clone();
        async move { shop.request(&GetQuote::does([Does::Hang])).await }
    });
    desk.gate.crowd(1).await;
    breaks.store(true, Ordering::Relaxed);
    let began = Instant::now();
    for error in [
        shop.request(&GetQuote::of(2)).await.unwrap_err(),
        hanging.await.unwrap().unwrap_err(),
        shop.request(&GetQuote::of(3)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
        assert!(error.to_string().contains("the queue was deleted"), "{error}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_topic_of_replies_that_is_refused_fails_the_connect() {
    let subscribe = |_: &Subscription| Some(Error::new(ErrorKind::Permission, "subscribe", "no"));
    let refusing = Wrapped { subscribe, ..able("memory:") };
    let error = Bus::<Shop>::builder().connect(refusing).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Permission, "subscribe"));
}

#[tokio::test(start_paused = true)]
async fn a_call_outlives_its_bus_and_the_last_of_both_leaves_nothing_behind() {
    let (name, desk) = (broker(), Desk::default());
    let url = format!("{name}?partitions=2");
    let (bus, running) = office(&url, &desk).await;
    let shop = shop(&url).await;
    let request = shop.request(&GetQuote::of(1));
    drop(shop);
    assert_eq!(request.await.unwrap().cents, 100);
    patiently(running.stop()).await.unwrap();
    drop((bus, running));
    // A broker of that name is there for as long as something is connected to it.
    patiently(async {
        while Foreign::connect(format!("{name}?partitions=3")).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// So many letters, in a reply or in an error.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "letters.wanted", reply = String)]
struct GetLetters {
    reply: usize,
    error: usize,
}

#[handler]
async fn letters_of(GetLetters { reply, error }: GetLetters) -> Result<String, Failure> {
    if error > 0 { Err(Failure::dead_letter("ä".repeat(error))) } else { Ok("ä".repeat(reply)) }
}

service! { Lettered = "lettered" { handles: [letters_of], publishes: [GetLetters] } }

#[tokio::test(start_paused = true)]
async fn an_error_is_told_in_a_kibibyte_and_a_reply_that_is_too_large_is_an_error() {
    let bus = Bus::<Lettered>::builder().connect(able("memory:?max_message=65536")).await.unwrap();
    let running = bus.start().await.unwrap();
    assert_eq!(bus.request(&GetLetters { reply: 20_000, error: 0 }).await.unwrap().chars().count(), 20_000);
    let error = bus.request(&GetLetters { reply: 0, error: 5_000 }).await.unwrap_err();
    let text = given_up(&error);
    assert!((1_000..1_200).contains(&text.len()) && text.ends_with("ä…"), "{} bytes", text.len());
    let error = bus.request(&GetLetters { reply: 30_000, error: 0 }).await.unwrap_err();
    let text = given_up(&error);
    assert!(text.contains("(publish_failed)") && text.contains("the reply has 60"), "{text}");
    caught_up(&running).await;
    assert_eq!(fates(&running), [1, 2, 0, 0]);
    assert_eq!(letters(&bus, "lettered").await[1].reason(), Reason::PublishFailed);
}
