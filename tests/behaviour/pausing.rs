//! Handlers that are paused and resumed while the service runs.

use std::time::Duration;

use tokio::time::{Instant, advance};
use typebus::{ErrorKind, Limits, Tuning, prelude::*};
use typebus_tests::{Cancelled, Ends, Gate, Placed, Seen, broker, caught_up, counts, ends, patiently};

type Numbers = Seen<(&'static str, u64)>;

#[handler]
async fn place(order: Placed, numbers: State<Numbers>) {
    numbers.push(("placed", order.number));
}

#[handler]
async fn cancel(order: Cancelled, numbers: State<Numbers>) {
    numbers.push(("cancelled", order.number));
}

service! { Orders = "orders" { handles: [place, cancel], publishes: [Placed, Cancelled], state: [Numbers] } }

fn placed(number: u64, customer: &str) -> Placed {
    Placed { number, customer: customer.into() }
}

fn cancelled(number: u64, customer: &str) -> Cancelled {
    Cancelled { number, customer: customer.into() }
}

#[tokio::test(start_paused = true)]
async fn a_paused_handler_starts_nothing_and_holds_only_its_own_keys() {
    let numbers = Numbers::default();
    let bus = Bus::<Orders>::builder().state(numbers.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    running.pause("place").unwrap();
    running.pause("place").unwrap();
    bus.publish(&placed(1, "ann")).await.unwrap();
    bus.publish(&cancelled(2, "ann")).await.unwrap();
    bus.publish(&cancelled(3, "ben")).await.unwrap();
    assert_eq!(numbers.reached(1).await, [("cancelled", 3)]);
    advance(Duration::from_secs(3_600)).await;
    assert_eq!(numbers.count(), 1, "ann's cancellation waits for her order");
    assert!(running.ready().is_ready() && running.health().is_healthy(), "it was asked for");
    running.resume("place").unwrap();
    caught_up(&running).await;
    assert_eq!(numbers.all()[1..], [("placed", 1), ("cancelled", 2)]);
    assert_eq!(ends(&running), Ends { handled: 3, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn with_all_its_handlers_paused_a_subscription_takes_nothing() {
    let numbers = Numbers::default();
    let bus = Bus::<Orders>::builder().state(numbers.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    running.pause("place").unwrap();
    running.pause("cancel").unwrap();
    // The worker obeys when it runs next.
    tokio::task::yield_now().await;
    for number in 0..100 {
        bus.publish(&placed(number, "ann")).await.unwrap();
    }
    advance(Duration::from_secs(60)).await;
    assert_eq!(counts(&running).received, 0);
    running.resume("cancel").unwrap();
    running.resume("place").unwrap();
    caught_up(&running).await;
    assert_eq!(numbers.count(), 100);
}

#[handler(topic = "shop.orders", group = "waits")]
async fn wait(_: Placed, gate: State<Gate>) {
    gate.pass().await;
}

service! { Waiting = "waiting" { handles: [wait], publishes: [Placed], state: [Gate] } }

#[tokio::test(start_paused = true)]
async fn what_runs_goes_on_and_a_stop_ends_it_all() {
    let (url, gate) = (broker(), Gate::default());
    let limits = Limits { held: 10, ..Limits::default() };
    let bus = Bus::<Waiting>::builder()
        .state(gate.clone())
        .tuning(Tuning { limits, ..Tuning::default() })
        .connect(&url)
        .await
        .unwrap();
    let running = bus.start().await.unwrap();
    bus.publish(&placed(1, "ann")).await.unwrap();
    gate.crowd(1).await;
    running.pause("wait").unwrap();
    for number in 2..50 {
        bus.publish(&placed(number, &number.to_string())).await.unwrap();
    }
    gate.open();
    while ends(&running).handled < 1 {
        tokio::task::yield_now().await;
    }
    advance(Duration::from_secs(60)).await;
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
    assert!(counts(&running).received <= 11, "what is held keeps to the limits");
    let begun = Instant::now();
    patiently(running.stop()).await.unwrap();
    assert_eq!(Instant::now(), begun);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_there_is_not_is_an_error_that_lists_those_there_are() {
    let bus = Bus::<Orders>::builder().state(Numbers::default()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for error in [running.pause("plaec").unwrap_err(), running.resume("plaec").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("\"plaec\"") && text.contains("cancel, place"), "{text}");
    }
}
