//! One program on a broker in memory that behaves like others: what starts, what is refused, and what arrives.

use std::time::Duration;

use typebus::{
    ErrorKind,
    backend::memory::{Memory, MemoryBackend, Profile},
    prelude::*,
};
use typebus_tests::{Paid, Placed, Seen, Shipped, broker, caught_up, counts, letters, patiently, start};

type Numbers = Seen<u64>;

#[handler]
async fn take(order: Placed, seen: State<Numbers>) {
    seen.push(order.number);
}

service! { Taker = "taker" { handles: [take], publishes: [Placed, Paid], state: [Numbers] } }

fn like(profile: Profile) -> String {
    format!("{}?profile={profile}", broker())
}

fn order(number: u64) -> Placed {
    Placed { number, customer: "ann".into() }
}

#[handler(start = earliest)]
async fn from_the_start(_: Placed) {}

#[handler(group = "once", delivery = at_most_once)]
async fn at_most(_: Paid) {}

#[handler(group = "long", timeout = "10m")]
async fn long(_: Shipped) {}

service! { Demanding = "demanding" { handles: [from_the_start, at_most, long] } }

#[tokio::test]
async fn what_a_broker_cannot_do_is_refused_with_its_profile() {
    for (profile, refused) in [
        (Profile::Kafka, &["`delivery = at_most_once`"][..]),
        (Profile::RabbitMq, &["`start = earliest`", "`delivery = at_most_once`", "8 attempts of 600s"]),
        (Profile::Nats, &["`delivery = at_most_once`"]),
        (Profile::Pulsar, &["`delivery = at_most_once`"]),
    ] {
        let error = Bus::<Demanding>::builder().connect(like(profile)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let messages: Vec<&str> = error.problems().iter().map(|problem| problem.message()).collect();
        assert_eq!(messages.len(), refused.len(), "{profile}: {error}");
        for (message, word) in messages.iter().zip(refused) {
            assert!(message.contains(word), "{profile}: {message}");
        }
        // The defaults are fine everywhere.
        Bus::<Taker>::builder().state(Numbers::default()).connect(like(profile)).await.unwrap();
    }
}

#[handler(topic = "*.orders")]
async fn wild(_: Placed) {}

service! { Wild = "wild" { handles: [wild] } }

#[tokio::test]
async fn nats_wants_to_know_the_stream_of_a_pattern() {
    let error = Bus::<Wild>::builder().connect(like(Profile::Nats)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("group `wild` on `*.orders`: a pattern that begins"), "{error}");
    Bus::<Wild>::builder().connect(like(Profile::Kafka)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_nobody_receives_is_an_error_where_it_would_be_lost() {
    for (profile, kept) in
        [(Profile::Kafka, true), (Profile::RabbitMq, false), (Profile::Nats, true), (Profile::Pulsar, false)]
    {
        let bus = Bus::<Taker>::builder().state(Numbers::default()).connect(like(profile)).await.unwrap();
        let sent = bus.publish(&Paid { number: 1, customer: None }).await;
        match kept {
            true => drop(sent.unwrap()),
            false => assert_eq!(sent.unwrap_err().kind(), ErrorKind::Unroutable, "{profile}"),
        }
        bus.publish(&order(1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_and_late_groups_are_the_brokers() {
    for (profile, place, late) in [
        (Profile::Kafka, true, &[1, 2][..]),
        (Profile::RabbitMq, false, &[2]),
        (Profile::Nats, false, &[1, 2]),
        (Profile::Pulsar, false, &[1, 2]),
    ] {
        let (url, seen) = (like(profile), Numbers::default());
        let early = Bus::<Early>::builder().connect(&url).await.unwrap();
        let receipt = early.publish(&order(1)).await.unwrap();
        assert_eq!(receipt.partition().is_some(), place, "{profile}");
        assert_eq!(receipt.position().is_some(), profile != Profile::RabbitMq, "{profile}");
        let bus = Bus::<Taker>::builder().state(seen.clone()).connect(&url).await.unwrap();
        early.publish(&order(2)).await.unwrap();
        start(&bus).await;
        assert_eq!(seen.sorted(), late, "{profile}");
    }
}

#[handler]
async fn early(_: Placed) {}

service! { Early = "early" { handles: [early], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn a_header_that_the_wire_cannot_carry_is_refused_by_name() {
    for (profile, carried) in
        [(Profile::Kafka, true), (Profile::RabbitMq, false), (Profile::Nats, true), (Profile::Pulsar, false)]
    {
        let bus = Bus::<Taker>::builder().state(Numbers::default()).connect(like(profile)).await.unwrap();
        let sent = bus.publish(&order(1)).header("channel", "web").header("channel", "shop").await;
        match carried {
            true => drop(sent.unwrap()),
            false => {
                let error = sent.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{profile}");
                assert!(error.to_string().contains("`channel` is there twice"), "{error}");
            }
        }
        bus.publish(&order(2)).header("channel", "Büro").await.unwrap();
    }
}

#[handler(retry(attempts = 2, backoff = "10ms..20ms"))]
async fn announce(order: Placed, seen: State<Numbers>) -> Shipped {
    seen.push(order.number);
    Shipped { number: order.number }
}

#[handler(group = "receivers")]
async fn receive(parcel: Shipped, parcels: State<Parcels>) {
    parcels.0.push(parcel.number);
}

#[derive(Default, Clone)]
struct Parcels(Numbers);

service! { Post = "post" { handles: [announce, receive], publishes: [Placed], state: [Numbers, Parcels] } }

#[tokio::test(start_paused = true)]
async fn an_event_whose_confirmation_was_lost_is_sent_again_and_stored_once_where_ids_are_compared() {
    for (profile, arrived) in
        [(Profile::Kafka, 2), (Profile::RabbitMq, 2), (Profile::Nats, 1), (Profile::Pulsar, 2)]
    {
        let connection = MemoryBackend::connect(&Memory::new().profile(profile)).unwrap();
        let (runs, parcels) = (Numbers::default(), Parcels::default());
        let state = (runs.clone(), parcels.clone());
        let bus = Bus::<Post>::builder().state(state).connect(connection.clone()).await.unwrap();
        connection.faults().leave_unknown("shop.parcels", 1, true);
        bus.publish(&order(1)).await.unwrap();
        let running = start(&bus).await;
        caught_up(&running).await;
        assert_eq!(runs.all(), [1], "{profile}: its handler is not run again");
        assert_eq!(parcels.0.all(), vec![1; arrived], "{profile}");
    }
}

#[handler(retry(attempts = 1))]
async fn doomed(order: Placed, seen: State<Numbers>) -> Result<(), Failure> {
    seen.push(order.number);
    Err(Failure::dead_letter("hopeless"))
}

service! { Doomed = "doomed" { handles: [doomed], publishes: [Placed], state: [Numbers] } }

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_refused_is_written_again_and_the_handler_not_run_again() {
    for profile in Profile::ALL {
        let connection = MemoryBackend::connect(&Memory::new().profile(profile)).unwrap();
        let runs = Numbers::default();
        let bus = Bus::<Doomed>::builder().state(runs.clone()).connect(connection.clone()).await.unwrap();
        connection.faults().fail("dead.doomed", 3, ErrorKind::Connect);
        connection.faults().leave_unknown("dead.doomed", 1, false);
        bus.publish(&order(1)).await.unwrap();
        let running = start(&bus).await;
        assert_eq!((runs.all(), letters(&bus, "doomed").await.len()), (vec![1], 1), "{profile}");
        assert_eq!(counts(&running).dead_lettered, 1);
    }
}

#[handler(timeout = "80s", concurrency = 4)]
async fn slowly(order: Placed, seen: State<Numbers>) {
    seen.push(order.number);
    tokio::time::sleep(Duration::from_secs(75)).await;
}

service! { Slowly = "slowly" { handles: [slowly], publishes: [Placed], state: [Numbers] } }

#[tokio::test(start_paused = true)]
async fn a_handler_slower_than_the_lease_is_not_run_by_another_meanwhile() {
    for profile in Profile::ALL {
        let (url, seen) = (like(profile), Numbers::default());
        let mut buses = Vec::new();
        for _ in 0..2 {
            let bus = Bus::<Slowly>::builder().state(seen.clone()).connect(&url).await.unwrap();
            let running = bus.start().await.unwrap();
            buses.push((bus, running));
        }
        for number in 0..12 {
            buses[0].0.publish(&order(number)).await.unwrap();
        }
        caught_up(&buses[1].1).await;
        assert_eq!(seen.all(), (0..12).collect::<Vec<_>>(), "{profile}");
        for (_, running) in &buses {
            patiently(running.stop()).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn confirmations_that_are_held_keep_a_publisher_waiting_and_nobody_else() {
    let connection = MemoryBackend::connect(&Memory::new()).unwrap();
    let seen = Numbers::default();
    let bus = Bus::<Taker>::builder().state(seen.clone()).connect(connection.clone()).await.unwrap();
    let _running = bus.start().await.unwrap();
    let held = connection.faults().hold_confirmations("shop.orders");
    let first = bus.publish(&order(1));
    let waiting = tokio::spawn(first);
    seen.reached(1).await;
    assert!(!waiting.is_finished());
    bus.publish(&Paid { number: 1, customer: None }).await.unwrap();
    held.release();
    patiently(waiting).await.unwrap().unwrap();
}
