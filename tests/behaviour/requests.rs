//! Requests that are answered: who gets which reply, what is on the wire, and who may ask.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use typebus::{
    ErrorKind, Tuning,
    backend::{Attribute, Capabilities, Message, Outgoing, Sender},
    prelude::*,
};
use typebus_tests::{Does, Seen, broker, caught_up, letters, patiently, start};

use crate::{
    quotes::{Desk, GetQuote, Quote, Shop, able, fates, given_up, office, seconds, shop},
    wrapped::Wrapped,
};

#[tokio::test(start_paused = true)]
async fn a_request_gives_the_reply_of_its_handler_right_after_connect() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, running) = office(&url, &desk).await;
    let shop = shop(&url).await;
    let quote: Quote = shop.request(&GetQuote::of(7)).await.unwrap();
    assert_eq!(quote, Quote { number: 7, cents: 700 });
    caught_up(&running).await;
    assert_eq!(fates(&running), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_an_office_that_opens_in_time_and_for_attempts_that_fail() {
    let (url, desk) = (broker(), Desk::default());
    let shop = shop(&url).await;
    // Provisioned, but not at work yet.
    let late = Bus::<crate::quotes::Office>::builder().state(desk.clone()).connect(able(&url)).await.unwrap();
    let asking = tokio::spawn(async move { shop.request(&GetQuote::does([Does::Fail, Does::Fail])).await });
    tokio::time::sleep(seconds(5)).await;
    let running = late.start().await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap().cents, 100);
    assert_eq!(desk.journal.beginnings(), [(1, 1), (1, 2), (1, 3)]);
    caught_up(&running).await;
    assert_eq!(fates(&running), [1, 0, 0, 0]);
}

/// One service that asks itself.
#[derive(Clone, Default)]
struct Lines(Seen<String>);

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "prices.{shop}.stock", name = "stock.asked", reply = Option<u32>)]
struct GetStock {
    shop: String,
}

#[handler]
async fn stock(asked: GetStock) -> Option<u32> {
    (asked.shop == "acme").then_some(3)
}

/// What an auditor makes of requests.
#[handler(topic = ">", group = "audit")]
async fn audit(event: AnyEvent, lines: State<Lines>) -> Result<(), Failure> {
    lines.0.push(format!("{} on {}", event.name(), event.metadata().topic()));
    // Whoever asks hears nothing of an auditor's mistakes.
    Err(Failure::dead_letter("audited"))
}

service! {
    Alone = "alone" { handles: [stock, audit], publishes: [GetStock, GetQuote], state: [Lines] }
}

#[tokio::test(start_paused = true)]
async fn a_service_may_answer_itself_and_no_pattern_receives_a_reply() {
    let lines = Lines::default();
    let bus = Bus::<Alone>::builder().state(lines.clone()).connect(able("memory:")).await.unwrap();
    let running = bus.start().await.unwrap();
    for (shop, expected) in [("acme", Some(3)), ("other", None)] {
        let stock: Option<u32> = bus.request(&GetStock { shop: shop.into() }).await.unwrap();
        assert_eq!(stock, expected);
    }
    caught_up(&running).await;
    assert_eq!(lines.0.sorted(), ["stock.asked on prices.acme.stock", "stock.asked on prices.other.stock"]);
    let published: Vec<_> = running.stats().published().map(|(topic, n)| (topic.to_owned(), n)).collect();
    let expected = [("dead.alone", 0), ("dead.audit", 2), ("prices.*.stock", 2), ("prices.quotes", 0)];
    assert_eq!(published, expected.map(|(topic, count)| (topic.to_owned(), count)));
    assert_eq!(running.stats().late_replies(), 0, "one reply to each request");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_at_once_each_get_their_own_reply() {
    let (url, desk) = (broker(), Desk::default());
    let (_bus, running) = office(&url, &desk).await;
    let shop = shop(&url).await;
    let asked = |number: u32| {
        let shop = shop.clone();
        // Later ones are answered before earlier ones.
        let does = vec![Does::Take(u64::from(1_000 - number) % 97)];
        let key = Some(number.to_string());
        tokio::spawn(async move { shop.request(&GetQuote { number, key, does }).await })
    };
    let asked: Vec<_> = (0..1_000).map(asked).collect();
    for (number, asked) in (0..1_000).zip(asked) {
        let quote = patiently(asked).await.unwrap().unwrap();
        assert_eq!(quote, GetQuote::of(number).answer());
    }
    caught_up(&running).await;
    assert_eq!(fates(&running), [1_000, 0, 0, 0]);
    let running = shop.start().await.unwrap();
    assert_eq!(running.stats().late_replies(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_instance_gets_the_replies_to_its_own_requests() {
    let url = broker();
    let desks = [Desk::default(), Desk::default()];
    let offices = [office(&url, &desks[0]).await, office(&url, &desks[1]).await];
    let shops = [shop(&url).await, shop(&url).await, shop(&url).await];
    let mut asked = Vec::new();
    for number in 0..60 {
        let shop = shops[number as usize % 3].clone();
        let request = GetQuote { key: Some(number.to_string()), ..GetQuote::of(number) };
        asked.push(tokio::spawn(async move { shop.request(&request).await }));
    }
    for (number, asked) in (0..60).zip(asked) {
        assert_eq!(patiently(asked).await.unwrap().unwrap().number, number);
    }
    let shares = desks.map(|desk| desk.journal.beginnings().len());
    assert_eq!(shares.iter().sum::<usize>(), 60);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    drop(offices);
    for shop in shops {
        assert_eq!(shop.start().await.unwrap().stats().late_replies(), 0);
    }
}

fn text(message: &Message, attribute: Attribute) -> String {
    String::from_utf8_lossy(message.attribute(attribute).unwrap_or_default()).into_owned()
}

fn header(message: &Message, name: &str) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_request_and_its_reply_carry_what_is_documented() {
    let (url, desk) = (broker(), Desk::default());
    let (asking, answering) = (able(&url), able(&url));
    let (asked, answered) = (asking.sent.clone(), answering.sent.clone());
    let office = Bus::<crate::quotes::Office>::builder().state(desk).connect(answering).await.unwrap();
    let _running = office.start().await.unwrap();
    let shop = Bus::<Shop>::builder().connect(asking).await.unwrap();
    let request = shop.request(&GetQuote::of(1)).key("k").header("channel", "web").timeout(seconds(2));
    request.await.unwrap();

    let Outgoing { topic, message: request, sender, options } = asked.all().remove(0);
    assert_eq!((topic.as_str(), sender), ("prices.quotes", Sender::Program));
    let options = *options.unwrap();
    assert_eq!((options.expires_in, options.delay, options.partition), (Some(seconds(2)), None, None));
    assert_eq!((text(&request, Attribute::Type), request.key()), ("get.quote.v1".into(), Some(&b"k"[..])));
    assert_eq!(header(&request, "typebus-time-to-live"), "2000");
    assert_eq!(header(&request, "channel"), "web");
    let reply_to = header(&request, "typebus-reply-to");
    let tokens: Vec<_> = reply_to.split('.').collect();
    assert_eq!(tokens[..2], ["reply", "shop"]);

    let Outgoing { topic, message: reply, sender, options } = answered.all().remove(0);
    assert_eq!((topic.as_str(), sender, options), (reply_to.as_str(), Sender::Handler, None));
    assert_eq!(text(&reply, Attribute::Type), "get.quote.reply.v1");
    assert_eq!(text(&reply, Attribute::Source), "office");
    assert_eq!(text(&reply, Attribute::ContentType), "application/json");
    assert_eq!(text(&reply, Attribute::CausationId), text(&request, Attribute::Id));
    assert_eq!(text(&reply, Attribute::CorrelationId), text(&request, Attribute::Id));
    assert_eq!(header(&reply, "typebus-call"), header(&request, "typebus-call"));
    assert_eq!(reply.payload(), br#"{"number":1,"cents":100}"#);
    assert_eq!(asked.count() + answered.count(), 2);
}

/// What a later version gives, of which an earlier one reads nothing.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Offers {
    cents: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "prices.offers", name = "get.offers", reply = u64)]
struct GetOffersV1 {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "prices.offers", name = "get.offers", version = 2, upcasts(GetOffersV1), reply = Offers)]
struct GetOffers {
    number: u64,
    most: usize,
}

impl From<GetOffersV1> for GetOffers {
    fn from(GetOffersV1 { number }: GetOffersV1) -> Self {
        Self { number, most: 1 }
    }
}

#[handler]
async fn offers(asked: GetOffers) -> Offers {
    Offers { cents: vec![asked.number; asked.most] }
}

service! { pub(crate) Market = "market" { handles: [offers] } }
service! { Old = "old" { publishes: [GetOffersV1] } }
service! { New = "new" { publishes: [GetOffers] } }

#[tokio::test(start_paused = true)]
async fn an_older_request_is_upcast_and_a_reply_that_is_another_type_is_an_error() {
    let url = broker();
    let answering = able(&url);
    let answered = answering.sent.clone();
    let market = Bus::<Market>::builder().connect(answering).await.unwrap();
    let running = market.start().await.unwrap();
    let new = Bus::<New>::builder().connect(able(&url)).await.unwrap();
    assert_eq!(new.request(&GetOffers { number: 5, most: 2 }).await.unwrap(), Offers { cents: vec![5, 5] });
    let old = Bus::<Old>::builder().connect(able(&url)).await.unwrap();
    let error = old.request(&GetOffersV1 { number: 5 }).await.unwrap_err();
    let text = given_up(&error);
    assert!(text.contains("the reply of service \"market\" is no u64"), "{text}");
    let kinds: Vec<_> =
        answered.all().iter().map(|reply| self::text(&reply.message, Attribute::Type)).collect();
    assert_eq!(kinds, ["get.offers.reply.v2", "get.offers.reply.v1"], "in the version of the request");
    caught_up(&running).await;
    assert_eq!(fates(&running), [2, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_published_like_any_event_is_handled_and_its_reply_dropped() {
    let (url, desk) = (broker(), Desk::default());
    let answering = able(&url);
    let answered = answering.sent.clone();
    let office =
        Bus::<crate::quotes::Office>::builder().state(desk.clone()).connect(answering).await.unwrap();
    let shop = shop(&url).await;
    shop.publish(&GetQuote::of(1)).await.unwrap();
    let running = start(&office).await;
    assert_eq!(desk.journal.beginnings(), [(1, 1)]);
    assert_eq!((fates(&running), answered.count()), ([1, 0, 0, 0], 0));
}

#[tokio::test(start_paused = true)]
async fn an_office_that_dies_leaves_the_request_to_the_next_one() {
    let (url, desk) = (broker(), Desk::default());
    let dying = office(&url, &desk).await;
    let shop = shop(&url).await;
    let asking = tokio::spawn(async move { shop.request(&GetQuote::does([Does::Hang])).await });
    desk.gate.crowd(1).await;
    dying.1.hurry();
    drop(dying);
    desk.gate.crowd(0).await;
    let (_bus, running) = office(&url, &desk).await;
    desk.gate.crowd(1).await;
    desk.gate.open();
    assert_eq!(asking.await.unwrap().unwrap().cents, 100);
    caught_up(&running).await;
    assert_eq!(desk.came.count(), 2, "at least once there");
    assert_eq!(fates(&running), [1, 0, 0, 0]);
}

#[tokio::test]
async fn a_backend_without_a_topic_for_one_instance_is_refused_with_the_name_of_each_request() {
    let able = able("memory:");
    let capabilities = Capabilities { broadcast: false, ..able.capabilities };
    let unable = Wrapped { capabilities, ..able };
    let error = Bus::<Alone>::builder().state(Lines::default()).connect(unable).await.unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Config, Some("wrapped")));
    let places: Vec<_> = error.problems().iter().map(typebus::Problem::place).collect();
    assert_eq!(places, ["request `GetStock`", "request `GetQuote`"]);
    for problem in error.problems() {
        let text = problem.to_string();
        assert!(text.contains("wrapped cannot") && text.contains("`publishes`"), "{text}");
    }
}

#[tokio::test]
async fn whoever_only_answers_needs_no_topic_of_its_own() {
    let able = able("memory:");
    let capabilities = Capabilities { broadcast: false, ..able.capabilities };
    Bus::<Market>::builder().connect(Wrapped { capabilities, ..able }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn mistakes_appear_at_the_await_and_nothing_is_sent() {
    let backend = able("memory:");
    let sent = backend.sent.clone();
    let shop = Bus::<Shop>::builder().connect(backend).await.unwrap();
    let request = || shop.request(&GetQuote::of(1));
    for (request, kind, says) in [
        (request().timeout(Duration::ZERO), ErrorKind::Config, "time-out of 0"),
        (request().key(""), ErrorKind::InvalidKey, "the key of GetQuote"),
        (request().header("typebus-reply-to", "reply.x.y"), ErrorKind::InvalidHeader, "by the bus itself"),
        (request().header("x", "y".repeat(17_000)), ErrorKind::InvalidHeader, "headers"),
    ] {
        let error = request.await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    // With the three of the bus they are too many.
    let full = (0..56).fold(request(), |request, n| request.header(format!("x-{n}"), "y"));
    let error = full.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{error}");
    drop(request());
    assert_eq!(sent.count(), 0);
    let tuning = Tuning { request_timeout: Duration::ZERO, ..Tuning::default() };
    let error = Bus::<Shop>::builder().tuning(tuning).connect(able("memory:")).await.unwrap_err();
    assert_eq!(error.problems()[0].place(), "`request_timeout`");
}

#[tokio::test(start_paused = true)]
async fn a_prefix_stands_before_the_service_whose_replies_they_are() {
    let (url, desk) = (broker(), Desk::default());
    let (asking, answering) = (able(&url), able(&url));
    let (asked, answered) = (asking.sent.clone(), answering.sent.clone());
    let office = Bus::<crate::quotes::Office>::builder().state(desk).prefix("staging");
    let _running = office.connect(answering).await.unwrap().start().await.unwrap();
    let shop = Bus::<Shop>::builder().prefix("staging").connect(asking).await.unwrap();
    assert_eq!(shop.request(&GetQuote::of(3)).await.unwrap().cents, 300);
    assert_eq!(asked.all()[0].topic.as_str(), "staging.prices.quotes");
    let reply = answered.all()[0].topic.to_string();
    assert!(reply.starts_with("reply.staging-shop."), "{reply}");
    // In another environment nobody answers.
    let elsewhere = Bus::<Shop>::builder().prefix("live").connect(able(&url)).await.unwrap();
    assert_eq!(elsewhere.request(&GetQuote::of(3)).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn asking_is_no_starting() {
    let (url, desk) = (broker(), Desk::default());
    let (office, _running) = office(&url, &desk).await;
    let began = Instant::now();
    let bus = shop(&url).await;
    let running = bus.start().await.unwrap();
    bus.request(&GetQuote::of(1)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(letters(&office, "office").await.is_empty());
}
