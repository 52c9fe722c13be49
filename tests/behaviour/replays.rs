//! Dead letters that are found, replayed to their own group, and discarded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use typebus::{DeadLetter, ErrorKind, Reason, prelude::*, testing::Foreign};
use typebus_tests::{Ends, Paid, Placed, Seen, broker, caught_up, letters, patiently};

/// Which orders fail, and how often they were handled.
#[derive(Clone, Default)]
struct Shop {
    failing: Arc<Mutex<Vec<u64>>>,
    seen: Seen<(&'static str, u64, u32, String)>,
}

impl Shop {
    fn handle(&self, by: &'static str, order: &Placed, metadata: &Metadata) -> Result<(), Failure> {
        self.seen.push((by, order.number, metadata.redriven(), metadata.topic().to_owned()));
        match self.failing.lock().unwrap().contains(&order.number) {
            true => Err(Failure::dead_letter("not today")),
            false => Ok(()),
        }
    }

    fn fail(&self, numbers: &[u64]) {
        *self.failing.lock().unwrap() = numbers.to_vec();
    }
}

#[handler]
async fn charge(order: Placed, metadata: Metadata, shop: State<Shop>) -> Result<(), Failure> {
    shop.handle("charge", &order, &metadata)
}

#[handler(topic = "shop.>", group = "audit")]
async fn audit(event: AnyEvent, shop: State<Shop>) -> Result<(), Failure> {
    let order: Placed = event.decode()?;
    shop.seen.push(("audit", order.number, event.metadata().redriven(), event.metadata().topic().to_owned()));
    Ok(())
}

service! { Billing = "billing" { handles: [charge, audit], publishes: [Placed], state: [Shop] } }

async fn run(url: &str, shop: &Shop) -> (Bus<Billing>, Running) {
    let bus = Bus::<Billing>::builder().state(shop.clone()).connect(url).await.unwrap();
    let running = bus.start().await.unwrap();
    (bus, running)
}

use typebus::Running;

async fn place(bus: &Bus<Billing>, number: u64) {
    let order = Placed { number, customer: "ann".into() };
    bus.publish(&order).id(format!("order-{number}")).header("channel", "web").await.unwrap();
}

/// How the deliveries of a group ended, by topic of the subscription.
fn by_topic(running: &Running) -> BTreeMap<String, Ends> {
    let groups = running.stats().groups().to_vec();
    let ends = |group: &typebus::GroupStats| Ends {
        handled: group.handled,
        discarded: group.discarded,
        skipped: group.skipped,
        dead_lettered: group.dead_lettered,
    };
    groups.iter().map(|group| (group.topic.clone(), ends(group))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_the_same_event_and_reaches_its_own_group_only() {
    let shop = Shop::default();
    shop.fail(&[2]);
    let (bus, running) = run("memory:", &shop).await;
    for number in 1..4 {
        place(&bus, number).await;
    }
    caught_up(&running).await;
    assert!(!by_topic(&running).contains_key("dead.billing.redrive"), "nothing was replayed yet");
    let letter = bus.dead_letters("billing").find("order-2").await.unwrap().unwrap();
    assert_eq!((letter.reason(), letter.error(), letter.redriven()), (Reason::Failed, "not today", 0));
    assert!(bus.dead_letters("billing").find("order-1").await.unwrap().is_none());

    shop.fail(&[]);
    bus.dead_letters("billing").replay(&letter).await.unwrap();
    caught_up(&running).await;
    let handled: Vec<_> = shop.seen.all().into_iter().filter(|seen| seen.1 == 2).collect();
    let topic = "shop.orders".to_owned();
    let mut sorted = handled.clone();
    sorted.sort();
    let expected = [("audit", 2, 0, topic.clone()), ("charge", 2, 0, topic.clone()), ("charge", 2, 1, topic)];
    assert_eq!(sorted, expected, "audit got it once, and the topic is its own");
    assert!(letters(&bus, "billing").await.is_empty(), "it is taken out");
    assert_eq!(by_topic(&running)["dead.billing.redrive"], Ends { handled: 1, ..Ends::NONE });
}

#[handler(topic = "shop.orders", group = "keeper")]
async fn keep(order: Envelope<Placed>, kept: State<Seen<Metadata>>) -> Result<(), Failure> {
    kept.push(order.metadata.clone());
    Err(Failure::dead_letter("again and again"))
}

service! { Keeper = "keeper" { handles: [keep], publishes: [Placed], state: [Seen<Metadata>] } }

#[tokio::test(start_paused = true)]
async fn one_that_fails_again_is_a_dead_letter_again_with_everything_that_it_had() {
    let kept = Seen::<Metadata>::default();
    let bus = Bus::<Keeper>::builder().state(kept.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    let order = Placed { number: 7, customer: "ann".into() };
    bus.publish(&order).header("channel", "web").await.unwrap();
    caught_up(&running).await;
    let [first] = letters(&bus, "keeper").await.try_into().unwrap();
    for times in 1..4 {
        assert_eq!(bus.dead_letters("keeper").replay_all().await.unwrap(), 1);
        caught_up(&running).await;
        let [letter]: [DeadLetter; 1] = letters(&bus, "keeper").await.try_into().unwrap();
        assert_eq!((letter.redriven(), letter.origin()), (times, first.origin()));
        assert_eq!(letter.payload(), first.payload());
        let of = |letter: &DeadLetter| {
            let metadata = letter.metadata();
            let text = |text: Option<&str>| text.map(str::to_owned);
            (
                metadata.id().to_owned(),
                text(metadata.key()),
                metadata.time(),
                text(metadata.header("channel")),
            )
        };
        assert_eq!(of(&letter), of(&first));
    }
    let [first, rest @ ..] = &kept.all()[..] else { panic!("nothing was handled") };
    for (again, times) in rest.iter().zip(1..) {
        assert_eq!(again.redriven(), times);
        assert_eq!(
            (again.partition(), again.position(), again.key()),
            (first.partition(), first.position(), first.key())
        );
        assert_eq!(
            again.headers().collect::<Vec<_>>(),
            first.headers().collect::<Vec<_>>(),
            "no header of ours is left"
        );
    }
    assert_eq!(rest.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_discarded_is_gone_and_the_rest_stays() {
    let shop = Shop::default();
    shop.fail(&[1, 2, 3, 4]);
    let (bus, running) = run("memory:", &shop).await;
    for number in 1..5 {
        place(&bus, number).await;
    }
    caught_up(&running).await;
    let dead = bus.dead_letters("billing");
    let letter = dead.find("order-3").await.unwrap().unwrap();
    dead.discard(&letter).await.unwrap();
    dead.discard(&letter).await.unwrap();
    let left: Vec<_> =
        letters(&bus, "billing").await.iter().map(|letter| letter.metadata().id().to_owned()).collect();
    assert_eq!(left, ["order-1", "order-2", "order-4"]);
    assert_eq!(dead.discard_all().await.unwrap(), 3);
    assert!(letters(&bus, "billing").await.is_empty());
    caught_up(&running).await;
    assert_eq!(
        shop.seen.all().iter().filter(|seen| seen.0 == "charge").count(),
        4,
        "nothing was handled again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_for_its_group_and_another_instance_may_take_it() {
    let (url, shop) = (broker(), Shop::default());
    shop.fail(&[1]);
    let (bus, running) = run(&url, &shop).await;
    place(&bus, 1).await;
    caught_up(&running).await;
    let other = Bus::<Billing>::builder().state(shop.clone()).connect(&url).await.unwrap();
    patiently(running.stop()).await.unwrap();
    assert_eq!(other.dead_letters("billing").replay_all().await.unwrap(), 1);
    shop.fail(&[]);
    let running = other.start().await.unwrap();
    caught_up(&running).await;
    assert_eq!(by_topic(&running)["dead.billing.redrive"], Ends { handled: 1, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn letters_of_others_and_closed_buses_are_errors() {
    let shop = Shop::default();
    shop.fail(&[1]);
    let (bus, running) = run("memory:", &shop).await;
    place(&bus, 1).await;
    caught_up(&running).await;
    let letter = bus.dead_letters("billing").find("order-1").await.unwrap().unwrap();
    let dead = bus.dead_letters("audit");
    for error in [dead.replay(&letter).await.unwrap_err(), dead.discard(&letter).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.to_string().contains("\"billing\"") && error.to_string().contains("\"audit\""),
            "{error}"
        );
    }
    let unknown = bus.dead_letters("mortuary").replay_all().await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Config);
    patiently(running.stop()).await.unwrap();
    assert_eq!(bus.dead_letters("billing").replay(&letter).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn headers_of_a_dead_letter_are_believed_only_where_replays_arrive() {
    let (url, shop) = (broker(), Shop::default());
    let (bus, running) = run(&url, &shop).await;
    let foreign = Foreign::connect(&url).unwrap();
    let payload = r#"{"number":1,"customer":"eve"}"#;
    let forged = [
        ("typebus-redriven", "9"),
        ("typebus-origin-topic", "shop.secrets"),
        ("typebus-attempts", "7"),
        ("typebus-group", "audit"),
    ];
    let mut message = foreign.message("shop.orders").header("ce_type", "order.placed.v1").payload(payload);
    for (name, value) in forged {
        message = message.header(name, value);
    }
    message.send().await.unwrap();
    caught_up(&running).await;
    let seen = shop.seen.all();
    assert!(seen.iter().all(|seen| (seen.2, seen.3.as_str()) == (0, "shop.orders")), "{seen:?}");

    // What arrives among the replays and does not say where it came from, or is nobody's, is a dead letter.
    foreign.message("dead.billing.redrive").payload(payload).send().await.unwrap();
    let nobodys = foreign.message("dead.billing.redrive").header("typebus-origin-topic", "town.hall");
    nobodys.header("ce_type", "order.placed.v1").payload(payload).send().await.unwrap();
    caught_up(&running).await;
    let reasons: Vec<_> = letters(&bus, "billing").await.iter().map(DeadLetter::reason).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert_eq!(by_topic(&running)["dead.billing.redrive"], Ends { dead_lettered: 2, ..Ends::NONE });
}

#[handler(topic = "shop.payments", dead_letter = discard)]
async fn collect(_: Paid) {}

#[handler]
async fn pack(_: Placed) {}

service! { Packing = "packing" { handles: [collect, pack], publishes: [Paid, Placed] } }

#[tokio::test(start_paused = true)]
async fn what_was_wrong_with_a_message_still_is_when_it_is_replayed() {
    let url = broker();
    let bus = Bus::<Packing>::builder().connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let order = r#"{"number":1,"customer":"ann"}"#;
    let bad: [&[(&str, &[u8])]; 4] = [
        &[("ce_type", b"order.placed.v1"), ("ce_type", b"order.lost.v1")],
        &[("ce_type", b"order.placed.v1"), ("ce_id", b"\xff\xfe")],
        &[("content-type", b"application/json"), ("ce_datacontenttype", b"text/plain")],
        // A structured event without an event.
        &[("content-type", b"application/cloudevents+json")],
    ];
    for headers in bad {
        let message = foreign.message("shop.orders").payload(order);
        headers.iter().fold(message, |m, (name, value)| m.header(name, value)).send().await.unwrap();
    }
    let running = bus.start().await.unwrap();
    caught_up(&running).await;
    let said = |letters: &[DeadLetter]| -> Vec<_> {
        let said =
            |letter: &DeadLetter| (letter.reason(), letter.error().to_owned(), letter.handler().to_owned());
        letters.iter().map(said).collect()
    };
    let before = letters(&bus, "packing").await;
    assert_eq!(before.len(), bad.len(), "{before:?}");
    assert_eq!(bus.dead_letters("packing").replay_all().await.unwrap(), bad.len());
    caught_up(&running).await;
    // Under the name of a handler of its topic, not of the first of the group, whose dead letters are discarded.
    assert_eq!(by_topic(&running)["dead.packing.redrive"], Ends { dead_lettered: 4, ..Ends::NONE });
    let after = letters(&bus, "packing").await;
    assert_eq!(said(&before), said(&after));
    assert!(after.iter().all(|letter| (letter.handler(), letter.redriven()) == ("pack", 1)), "{after:?}");

    // What is forged to come from a topic that the group does not have is kept, too.
    let nobodys = foreign.message("dead.packing.redrive").header("typebus-origin-topic", "town.hall");
    nobodys.header("ce_type", "order.placed.v1").payload(order).send().await.unwrap();
    caught_up(&running).await;
    assert_eq!(letters(&bus, "packing").await.len(), bad.len() + 1);
}
