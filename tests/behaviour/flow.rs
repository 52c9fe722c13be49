//! Limits and back-pressure: how much is taken, how much a topic holds, and who waits.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{ErrorKind, Limits, Running, Tuning, backend::memory::Memory, prelude::*, testing::Foreign};
use typebus_tests::{Ends, Gate, Placed, Seen, Shipped, broker, caught_up, counts, ends, patiently, start};

#[derive(Clone, Default)]
struct Desk {
    gate: Gate,
    seen: Seen<u64>,
}

/// Stuck while the gate is shut, but for customers called "free".
#[handler(timeout = none, concurrency = 64)]
async fn take(order: Placed, desk: State<Desk>) {
    if order.customer != "free" {
        desk.gate.pass().await;
    }
    desk.seen.push(order.number);
}

service! { Taker = "taker" { handles: [take], publishes: [Placed], state: [Desk] } }

async fn taker(limits: Limits, memory: Memory, desk: &Desk) -> (Bus<Taker>, Running) {
    let tuning = Tuning { limits, ..Tuning::default() };
    let bus = Bus::<Taker>::builder().state(desk.clone()).tuning(tuning).connect(memory).await.unwrap();
    let running = bus.start().await.unwrap();
    (bus, running)
}

fn order(number: u64) -> Placed {
    Placed { number, customer: number.to_string() }
}

/// Long enough for everything that can happen by itself to have happened.
async fn settle_down() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_than_may_be_held_and_intake_goes_on_when_some_of_it_is_settled() {
    for (limits, held) in [(Limits { held: 10, ..Limits::default() }, 10), (Limits::default(), 1_000)] {
        let desk = Desk::default();
        let (bus, running) = taker(limits, Memory::new(), &desk).await;
        for number in 0..3_000 {
            bus.publish(&order(number)).await.unwrap();
        }
        settle_down().await;
        assert_eq!(desk.gate.waiting(), held.min(64));
        assert_eq!(counts(&running).received, held as u64);
        desk.gate.open();
        caught_up(&running).await;
        assert_eq!(ends(&running), Ends { handled: 3_000, ..Ends::NONE });
        assert_eq!(desk.seen.sorted(), (0..3_000).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_bounded_in_bytes_and_one_large_event_gets_through() {
    let desk = Desk::default();
    let limits = Limits { held_bytes: 10_000, ..Limits::default() };
    let (bus, running) = taker(limits, Memory::new(), &desk).await;
    for number in 0..100 {
        bus.publish(&order(number)).header("pad", "x".repeat(1_000)).await.unwrap();
    }
    settle_down().await;
    let received = counts(&running).received;
    assert!((5..=10).contains(&received), "{received} were taken");
    desk.gate.open();
    caught_up(&running).await;
    bus.publish(&order(100)).header("pad", "x".repeat(15_000)).await.unwrap();
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 101, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stuck_stops_the_intake_at_the_gap_and_not_before() {
    let desk = Desk::default();
    let limits = Limits { gap: 100, ..Limits::default() };
    let (bus, running) = taker(limits, Memory::new().partitions(1), &desk).await;
    bus.publish(&order(0)).await.unwrap();
    for number in 1..1_000 {
        bus.publish(&Placed { number, customer: "free".into() }).await.unwrap();
    }
    settle_down().await;
    // Positions 1 to 100 above the stuck 0.
    assert_eq!(desk.seen.all(), (1..=100).collect::<Vec<_>>());
    assert_eq!(counts(&running).received, 101);
    desk.gate.open();
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 1_000, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn a_stuck_key_lets_others_go_on_by_twenty_thousand() {
    let desk = Desk::default();
    let (bus, running) = taker(Limits::default(), Memory::new().partitions(1), &desk).await;
    bus.publish(&order(0)).await.unwrap();
    for number in 1..=20_100 {
        bus.publish(&Placed { number, customer: "free".into() }).await.unwrap();
    }
    settle_down().await;
    assert_eq!(desk.seen.count(), 20_000);
    desk.gate.open();
    caught_up(&running).await;
    assert_eq!(desk.seen.count(), 20_101);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_reads_a_full_topic_is_an_error_after_half_a_minute() {
    let desk = Desk::default();
    let memory = Memory::new().capacity(10);
    let bus = Bus::<Taker>::builder().state(desk.clone()).connect(memory).await.unwrap();
    for number in 0..10 {
        bus.publish(&order(number)).await.unwrap();
    }
    let began = Instant::now();
    let error = patiently(bus.publish(&order(10)).into_future()).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Full, Some("memory")));
    assert!(!error.outcome_unknown());
    let text = error.to_string();
    for word in ["shop.orders", "taker", "capacity"] {
        assert!(text.contains(word), "{text}");
    }
    // What was refused is not stored.
    desk.gate.open();
    start(&bus).await;
    assert_eq!(desk.seen.sorted(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_full_topic_makes_publishers_wait_their_turn_and_loses_nothing() {
    let (url, desk) = (format!("{}?capacity=5&full_after=60s", broker()), Desk::default());
    let bus = Bus::<Taker>::builder().state(desk.clone()).connect(&url).await.unwrap();
    let running = bus.start().await.unwrap();
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move {
            for number in 0..500 {
                bus.publish(&Placed { number, customer: "one".into() }).await.unwrap();
            }
        }
    });
    desk.gate.crowd(1).await;
    settle_down().await;
    assert!(!publishing.is_finished(), "500 went into a topic of 5");
    desk.gate.open();
    patiently(publishing).await.unwrap();
    caught_up(&running).await;
    assert_eq!(desk.seen.all(), (0..500).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_full_in_bytes_too_and_events_sent_together_have_their_own_results() {
    let desk = Desk::default();
    let memory = Memory::new().capacity_bytes(2_000).full_after(Duration::from_secs(2));
    let bus = Bus::<Taker>::builder().state(desk.clone()).connect(memory).await.unwrap();
    let orders: Vec<_> = (0..20).map(order).collect();
    let began = Instant::now();
    let results = patiently(bus.publish_all(&orders)).await;
    assert_eq!(began.elapsed().as_secs(), 2, "they wait together");
    let stored = results.iter().take_while(|result| result.is_ok()).count();
    assert!((5..15).contains(&stored), "{stored} were stored");
    for refused in &results[stored..] {
        assert_eq!(refused.as_ref().unwrap_err().kind(), ErrorKind::Full);
    }
    desk.gate.open();
    start(&bus).await;
    assert_eq!(desk.seen.count(), stored);
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_a_group_forgets_its_oldest_and_is_never_full() {
    let url = format!("{}?capacity=10&partitions=1", broker());
    let foreign = Foreign::connect(&url).unwrap();
    for number in 0..100 {
        foreign
            .message("shop.orders")
            .payload(format!(r#"{{"number":{number},"customer":"free"}}"#))
            .send()
            .await
            .unwrap();
    }
    let desk = Desk::default();
    let bus = Bus::<Taker>::builder().state(desk.clone()).connect(&url).await.unwrap();
    start(&bus).await;
    assert_eq!(desk.seen.all(), (90..100).collect::<Vec<_>>());
}

/// Sends ten parcels for each on its own topic, which is full.
#[handler(retry(attempts = 3))]
async fn split(
    parcel: Shipped,
    midway: Publisher<Shipped>,
    desk: State<Desk>,
) -> Result<Vec<Shipped>, Failure> {
    desk.seen.push(parcel.number);
    if parcel.number > 0 {
        return Ok(Vec::new());
    }
    for number in 1..=10 {
        midway.publish(&Shipped { number }).await?;
    }
    if parcel.number == 0 { Ok((11..=20).map(|number| Shipped { number }).collect()) } else { Ok(Vec::new()) }
}

service! { Splitter = "splitter" { handles: [split], publishes: [Shipped], state: [Desk] } }

#[tokio::test(start_paused = true)]
async fn a_handler_on_its_own_full_topic_does_not_wait_for_itself() {
    let desk = Desk::default();
    let bus =
        Bus::<Splitter>::builder().state(desk.clone()).connect(Memory::new().capacity(1)).await.unwrap();
    let began = Instant::now();
    bus.publish(&Shipped { number: 0 }).await.unwrap();
    let running = start(&bus).await;
    caught_up(&running).await;
    assert_eq!(desk.seen.sorted(), (0..=20).collect::<Vec<_>>());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[handler(retry(attempts = 1))]
async fn refuse(_: Placed) -> Result<(), Failure> {
    Err(Failure::retry("no"))
}

service! { Refuser = "refuser" { handles: [refuse], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn dead_letters_are_never_refused_and_never_forgotten() {
    let bus = Bus::<Refuser>::builder().connect(Memory::new().capacity(5)).await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..100 {
        patiently(bus.publish(&order(number)).into_future()).await.unwrap();
    }
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 100, ..Ends::NONE });
    assert_eq!(typebus_tests::letters(&bus, "refuser").await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_for_room_is_answered_and_a_stop_waits_for_it_within_the_hard_cap() {
    // The patience of publishers, how long the stop takes, and how it ends: 10 s are the cap.
    for (patience, stopped, ends) in [(5, 5, None), (30, 10, Some(ErrorKind::Timeout))] {
        let desk = Desk::default();
        let memory = Memory::new().capacity(2).full_after(Duration::from_secs(patience));
        let (bus, running) = taker(Limits::default(), memory, &desk).await;
        for number in 0..2 {
            bus.publish(&order(number)).await.unwrap();
        }
        desk.gate.crowd(2).await;
        let began = Instant::now();
        let waiting = tokio::spawn({
            let bus = bus.clone();
            async move { bus.publish(&order(2)).await }
        });
        tokio::task::yield_now().await;
        running.hurry();
        let finished = patiently(running.finished()).await;
        assert_eq!(finished.map_err(|error| error.kind()).err(), ends);
        assert_eq!(began.elapsed().as_secs(), stopped);
        let answer = patiently(waiting).await.unwrap();
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(began.elapsed().as_secs(), patience);
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_gives_up_waiting_leaves_no_event_behind() {
    let desk = Desk::default();
    let (bus, running) = taker(Limits::default(), Memory::new().capacity(1), &desk).await;
    bus.publish(&order(0)).await.unwrap();
    desk.gate.crowd(1).await;
    let impatient = tokio::time::timeout(Duration::from_secs(1), bus.publish(&order(1)).into_future()).await;
    assert!(impatient.is_err());
    desk.gate.open();
    caught_up(&running).await;
    bus.publish(&order(2)).await.unwrap();
    caught_up(&running).await;
    assert_eq!(desk.seen.all(), [0, 2]);
}
