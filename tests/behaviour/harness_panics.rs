//! What ends a test of a service that can never go on: a panic that says why.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Outcome, prelude::*};
use typebus_tests::{Cancelled, Does, Job, Placed};

/// What a test says when it cannot go on.
pub(super) async fn panic_of(test: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(test).await.expect_err("it goes on").into_panic();
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into()))
        .unwrap()
}

pub(super) fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
}

fn placed() -> Placed {
    Placed { number: 1, customer: "ann".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_whose_clock_cannot_be_paused_is_refused() {
    let text = panic_of(async { Waits::test(()).settled().await }).await;
    assert_says(&text, &["virtual clock", "`#[tokio::test]`", "without `flavor = \"multi_thread\"`"]);
}

#[handler(timeout = none)]
async fn wait(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

service! { Waits = "waits" { handles: [wait], publishes: [Job] } }

#[tokio::test]
async fn a_handler_that_never_ends_is_named() {
    let hang = Job::of("k", 1).does([Does::Hang]);
    let text = panic_of({
        let hang = hang.clone();
        async move { drop(Waits::test(()).deliver(&hang).await) }
    });
    assert_says(
        &text.await,
        &["harness_panics.rs:", "handler `wait` of group waits in attempt 1", "work.jobs", "`timeout`"],
    );
    let text = panic_of(async move {
        let test = Waits::test(());
        test.bus().await.publish(&hang).await.unwrap();
        test.settled().await;
    });
    assert_says(&text.await, &["does not come to rest", "handler `wait`"]);
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "round.ping")]
struct Ping {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "round.pong")]
struct Pong {}

#[handler]
async fn ping(_: Ping) -> Pong {
    Pong {}
}

#[handler]
async fn pong(_: Pong) -> Ping {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ping {}
}

service! { Round = "round" { handles: [ping, pong], publishes: [Ping] } }

#[tokio::test]
async fn events_that_go_round_in_a_circle_are_reported() {
    let text = panic_of(async {
        let test = Round::test(());
        assert_eq!(test.deliver(&Ping {}).await.outcome(), Outcome::Ack);
        test.settled().await;
    });
    assert_says(&text.await, &["1000 rounds", "round.ping.v1, round.pong.v1, round.ping.v1", "in a circle?"]);
}

#[handler(unhandled = stop)]
async fn strict(_: Placed) {}

service! { Strict = "strict" { handles: [strict] } }

#[tokio::test]
async fn a_service_that_stops_ends_the_test() {
    let text = panic_of(async {
        let test = Strict::test(());
        test.deliver(&Cancelled { number: 1, customer: "ann".into() }).await;
    });
    assert_says(&text.await, &["service strict has stopped", "order.cancelled.v1", "unhandled = stop"]);
    let text = panic_of(async {
        let test = Strict::test(());
        test.running().await.stop().await.unwrap();
        test.deliver(&placed()).await;
    });
    assert_says(&text.await, &["service strict was stopped"]);
}

#[handler(delivery = exactly_once)]
async fn once(_: Placed) {}

service! { Once = "once" { handles: [once] } }

#[tokio::test]
async fn a_service_that_cannot_start_says_why() {
    let text = panic_of(async { drop(Once::test(()).deliver(&placed()).await) }).await;
    assert_says(&text, &["service once cannot start", "handler `once`", "delivery"]);
}
