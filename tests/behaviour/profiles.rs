//! One program on a broker in memory that behaves like others: what starts, what is refused, and what arrives.

use typebus::{
    ErrorKind,
    backend::memory::{Memory, MemoryBackend, Profile},
    prelude::*,
};
use typebus_tests::{Paid, Placed, Seen, Shipped, broker, patiently};

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
