//! `Billing::test(state)` and `Publisher::recording()`: the tools for a user's tests.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use typebus::{
    ErrorKind, NoState, Outcome, Reason,
    prelude::*,
    testing::{Ended, How},
};
use typebus_tests::{Cancelled, Does, Gate, Job, Paid, Placed, Seen, Shipped};

use crate::harness_panics::{assert_says, panic_of};

fn placed(number: u64) -> Placed {
    Placed { number, customer: "ann".into() }
}

#[handler(retry(attempts = 3, backoff = "1s..10s", jitter = false), timeout = "1m")]
async fn work(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

service! { Works = "works" { handles: [work] } }

async fn work_of(does: &[Does]) -> (Ended, Duration) {
    let test = Works::test(());
    let begin = Instant::now();
    let delivered = test.deliver(&Job::of("k", 1).does(does)).await;
    assert_eq!(delivered.groups().len(), 1);
    assert_eq!(delivered.outcome(), delivered.group("works").outcome());
    (delivered.only().clone(), begin.elapsed())
}

#[tokio::test]
async fn a_delivery_ends_after_all_its_retries() {
    let seconds = Duration::from_secs;
    for (does, outcome, attempts, reason, took) in [
        (vec![], Outcome::Ack, 1, None, seconds(0)),
        (vec![Does::Take(5_000)], Outcome::Ack, 1, None, seconds(5)),
        (vec![Does::Fail, Does::Fail], Outcome::Ack, 3, None, seconds(3)),
        (vec![Does::Fail; 3], Outcome::DeadLetter, 3, Some(Reason::Failed), seconds(3)),
        (vec![Does::Panic; 3], Outcome::DeadLetter, 3, Some(Reason::Panicked), seconds(3)),
        (vec![Does::Hang; 3], Outcome::DeadLetter, 3, Some(Reason::TimedOut), seconds(183)),
        (vec![Does::Hang], Outcome::Ack, 2, None, seconds(61)),
        (vec![Does::Bury], Outcome::DeadLetter, 1, Some(Reason::Failed), seconds(0)),
        (vec![Does::Fail, Does::Drop], Outcome::Discard, 2, Some(Reason::Failed), seconds(1)),
        (vec![Does::FailFor(60_000)], Outcome::Ack, 2, None, seconds(60)),
    ] {
        let (ended, duration) = work_of(&does).await;
        assert_eq!(
            (ended.outcome(), ended.attempts(), ended.reason()),
            (outcome, attempts, reason),
            "{does:?}"
        );
        assert_eq!((ended.handler(), ended.group()), (Some("work"), "works"), "{does:?}");
        assert_eq!(ended.dead_letter().is_some(), outcome == Outcome::DeadLetter, "{does:?}");
        assert!(
            duration >= took && duration < took + Duration::from_millis(50),
            "{does:?} took {duration:?}"
        );
    }
    let (ended, _) = work_of(&[Does::Drop]).await;
    assert_eq!(
        (ended.error(), format!("{ended:?}").as_str()),
        ("not needed", "discarded by group works in work, attempts: 1, failed: not needed")
    );
}

#[handler(retry(attempts = 2), dead_letter = discard, timeout = "1s")]
async fn careless(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

/// In a version that nobody reads.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "work.jobs", name = "job", version = 2)]
struct NextJob {}

#[handler(topic = "work.jobs", group = "others")]
async fn other(_: Other) {}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "work.jobs", name = "other")]
struct Other {}

service! { Careless = "careless" { handles: [careless, other] } }

#[tokio::test]
async fn without_dead_letters_it_is_discarded() {
    let test = Careless::test(());
    for (does, reason) in
        [(Does::Bury, Reason::Failed), (Does::Hang, Reason::TimedOut), (Does::Panic, Reason::Panicked)]
    {
        let delivered = test.deliver(&Job::of("k", 1).does([does; 2])).await;
        assert_eq!(
            (delivered.outcome(), delivered.only().reason()),
            (Outcome::Discard, Some(reason)),
            "{does:?}"
        );
    }
    assert!(test.dead_letters().is_empty());
    let delivered = test.deliver(&NextJob {}).await;
    assert_eq!((delivered.outcome(), delivered.only().attempts()), (Outcome::Discard, 0));
    assert_eq!(delivered.only().handler(), Some("careless"));
    assert_eq!(delivered.group("others").how(), How::Skipped);
}

#[handler]
async fn bill(order: Placed) -> Paid {
    Paid { number: order.number, customer: Some(order.customer) }
}

#[handler(group = "fraud")]
async fn suspect(order: Placed) -> Result<(), Failure> {
    if order.number == 13 { Err(Failure::dead_letter("unlucky")) } else { Ok(()) }
}

#[handler]
async fn parcel(payment: Paid, gate: State<Gate>) -> Vec<Shipped> {
    gate.pass().await;
    vec![Shipped { number: payment.number }, Shipped { number: payment.number + 1 }]
}

#[handler]
async fn arrive(parcel: Shipped, seen: State<Seen<u64>>) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    seen.push(parcel.number);
}

service! {
    Shop = "shop" {
        handles: [bill, suspect, parcel, arrive], publishes: [Shipped, Cancelled], state: [Gate, Seen<u64>]
    }
}

#[tokio::test]
async fn each_group_has_its_own_outcome() {
    let test = Shop::test((Gate::default(), Seen::default()));
    let delivered = test.deliver(&placed(13)).await;
    assert_eq!(delivered.group("shop").outcome(), Outcome::Ack);
    assert_eq!(delivered.group("fraud").outcome(), Outcome::DeadLetter);
    assert_eq!(delivered.group("fraud").error(), "unlucky");
    let letters = test.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].group(), letters[0].handler()), ("fraud", "suspect"));
    assert_eq!(letters[0].metadata().id(), delivered.id());
    let several = std::panic::catch_unwind(|| delivered.outcome()).unwrap_err();
    let several = several.downcast::<String>().unwrap();
    assert_says(
        &several,
        &["several groups", ".group(", "handled by group shop", "dead-lettered by group fraud in suspect"],
    );
    let none = *std::panic::catch_unwind(|| delivered.group("sales").how())
        .unwrap_err()
        .downcast::<String>()
        .unwrap();
    assert_says(&none, &["no group \"sales\"", "group shop", "group fraud"]);
}

#[tokio::test]
async fn what_no_handler_takes_is_skipped_and_has_no_outcome() {
    let test = Shop::test((Gate::default(), Seen::default()));
    let delivered = test.deliver(&Cancelled { number: 1, customer: "ann".into() }).await;
    assert_eq!(delivered.group("shop").how(), How::Skipped);
    assert_eq!((delivered.group("fraud").how(), delivered.group("fraud").handler()), (How::Skipped, None));
    let text = *std::panic::catch_unwind(|| delivered.outcome()).unwrap_err().downcast::<String>().unwrap();
    assert_says(&text, &["every group skipped it", "order.cancelled.v1"]);
}

#[tokio::test]
async fn a_delivery_does_not_wait_for_what_follows_and_settled_does() {
    let (gate, seen) = (Gate::default(), Seen::default());
    let test = Shop::test((gate.clone(), seen.clone()));
    test.deliver(&placed(1)).await;
    gate.crowd(1).await;
    assert_eq!(test.published::<Paid>(), [Paid { number: 1, customer: Some("ann".into()) }]);
    assert!(test.published::<Shipped>().is_empty());
    gate.open();
    test.settled().await;
    assert_eq!(test.published::<Shipped>(), [Shipped { number: 1 }, Shipped { number: 2 }]);
    assert_eq!(seen.sorted(), [1, 2]);
}

#[tokio::test]
async fn published_is_what_the_service_publishes_and_not_what_the_test_delivers() {
    let (gate, seen) = (Gate::default(), Seen::default());
    gate.open();
    let test = Shop::test((gate, seen.clone()));
    test.deliver(&Shipped { number: 7 }).await;
    assert!(test.published::<Shipped>().is_empty());
    test.bus().await.publish(&Shipped { number: 8 }).await.unwrap();
    test.bus().await.publisher::<Shipped>().publish(&Shipped { number: 9 }).await.unwrap();
    test.settled().await;
    assert_eq!(test.published::<Shipped>(), [Shipped { number: 8 }, Shipped { number: 9 }]);
    assert_eq!(seen.sorted(), [7, 8, 9]);
    let stats = test.running().await.stats();
    assert_eq!(stats.groups().iter().map(|group| group.handled).sum::<u64>(), 3);
}

#[tokio::test]
async fn a_delivery_is_told_from_others_that_are_under_way() {
    let test = Works::test(());
    let (slow, failed, quick) = tokio::join!(
        async { test.deliver(&Job::of("a", 1).does([Does::Take(30_000)])).await },
        async { test.deliver(&Job::of("b", 2).does([Does::Fail, Does::Bury])).await },
        async { test.deliver(&Job::of("a", 3)).await },
    );
    assert_eq!(
        [slow.outcome(), failed.outcome(), quick.outcome()],
        [Outcome::Ack, Outcome::DeadLetter, Outcome::Ack]
    );
    assert_eq!([slow.only().attempts(), failed.only().attempts(), quick.only().attempts()], [1, 2, 1]);
}

#[tokio::test]
async fn tests_are_apart_from_each_other() {
    let (one, other) = (Works::test(()), Works::test(NoState));
    assert_eq!(one.deliver(&Job::of("k", 1).does([Does::Bury])).await.outcome(), Outcome::DeadLetter);
    other.settled().await;
    assert!(other.dead_letters().is_empty());
    assert_eq!(one.dead_letters().len(), 1);
}

#[tokio::test]
async fn the_clock_moves_as_the_test_says_and_everything_due_runs() {
    let test = std::sync::Arc::new(Works::test(()));
    test.settled().await;
    let begin = Instant::now();
    let under_way = tokio::spawn({
        let test = std::sync::Arc::clone(&test);
        async move { test.deliver(&Job::of("k", 1).does([Does::Fail, Does::Fail, Does::Bury])).await }
    });
    let retried = async || test.running().await.stats().groups()[0].retried;
    for (seconds, before, letters) in [(0, 1, 0), (1, 2, 0), (1, 2, 0), (1, 2, 1)] {
        test.advance(Duration::from_secs(seconds)).await;
        assert_eq!(
            (retried().await, test.dead_letters().len()),
            (before, letters),
            "at {:?}",
            begin.elapsed()
        );
    }
    let elapsed = begin.elapsed();
    assert!(elapsed >= Duration::from_secs(3) && elapsed < Duration::from_millis(3_010), "{elapsed:?}");
    assert_eq!(under_way.await.unwrap().only().attempts(), 3);
}

#[handler]
async fn later(order: Placed, begun: State<Seen<Instant>>) -> Paid {
    begun.push(Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    Paid { number: order.number, customer: None }
}

#[handler]
async fn next(payment: Paid) -> Shipped {
    Shipped { number: payment.number }
}

#[handler]
async fn last(parcel: Shipped, seen: State<Seen<u64>>) {
    tokio::task::yield_now().await;
    seen.push(parcel.number);
}

service! {
    Chain = "chain" { handles: [later, next, last], publishes: [Placed], state: [Seen<Instant>, Seen<u64>] }
}

#[tokio::test]
async fn what_follows_at_the_very_moment_runs_too() {
    let (begun, seen) = (Seen::default(), Seen::default());
    let test = Chain::test((begun.clone(), seen.clone()));
    test.bus().await.publish(&placed(1)).await.unwrap();
    begun.reached(1).await;
    let begin = Instant::now();
    assert_eq!(begun.all(), [begin], "the clock stands still while anything can run");
    test.advance(Duration::from_millis(999)).await;
    assert!(seen.all().is_empty());
    test.advance(begin + Duration::from_secs(1) - Instant::now()).await;
    assert_eq!(seen.all(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_paused_already_is_well() {
    assert_eq!(Works::test(()).deliver(&Job::of("k", 1)).await.outcome(), Outcome::Ack);
}

#[tokio::test]
async fn key_headers_and_id_of_a_delivery_are_the_tests_to_choose() {
    #[handler(order = none)]
    async fn look(order: Envelope<Placed>, seen: State<Seen<String>>) {
        let metadata = order.metadata;
        seen.push(format!("{:?} {:?} {}", metadata.key(), metadata.header("channel"), metadata.id()));
    }
    service! { Looks = "looks" { handles: [look], state: [Seen<String>] } }

    let seen = Seen::default();
    let test = Looks::test(seen.clone());
    let delivered = test.deliver(&placed(1)).key("bob").header("channel", "web").id("o-1").await;
    assert_eq!(delivered.id(), "o-1");
    assert_eq!(seen.all(), [r#"Some("bob") Some("web") o-1"#]);
    let text = panic_of(async { drop(Works::test(()).deliver(&Job::of("", 1)).await) }).await;
    assert_says(&text, &["cannot be delivered", "harness.rs:", "key"]);
}

#[handler(dead_letter = discard)]
async fn bill_or_not(order: Placed, seen: State<Seen<u64>>) -> Paid {
    seen.push(order.number);
    Paid { number: order.number, customer: None }
}

service! { Bills = "bills" { handles: [bill_or_not], state: [Seen<u64>] } }

#[tokio::test]
async fn publications_fail_as_the_test_says() {
    let seen = Seen::default();
    let test = Bills::test(seen.clone());
    test.refuse::<Paid>(3, ErrorKind::Connect);
    assert_eq!(test.deliver(&placed(1)).await.outcome(), Outcome::Ack);
    assert_eq!((seen.count(), test.published::<Paid>().len()), (1, 1), "sent again, not run again");
    test.refuse::<Paid>(1, ErrorKind::TooLarge);
    let delivered = test.deliver(&placed(2)).await;
    assert_eq!(
        (delivered.outcome(), delivered.only().reason()),
        (Outcome::Discard, Some(Reason::PublishFailed))
    );
    assert_eq!(test.published::<Paid>().len(), 1);

    let test = Shop::test((Gate::default(), Seen::default()));
    test.refuse::<Paid>(1, ErrorKind::Unroutable);
    let delivered = test.deliver(&placed(2)).await;
    assert_eq!(delivered.group("shop").reason(), Some(Reason::PublishFailed));
    assert_says(delivered.group("shop").error(), &["the test refuses it"]);
}

#[handler(batch(max = 3, wait = "1s"), retry(attempts = 1))]
async fn index(orders: Batch<Placed>, seen: State<Seen<usize>>) -> Result<(), Failure> {
    seen.push(orders.len());
    if orders.iter().any(|order| order.number == 13) { Err(Failure::dead_letter("unlucky")) } else { Ok(()) }
}

service! { Index = "index" { handles: [index], state: [Seen<usize>] } }

#[tokio::test]
async fn each_member_of_a_batch_has_its_own_end() {
    let seen = Seen::default();
    let test = Index::test(seen.clone());
    let (a, b, c) = tokio::join!(
        async { test.deliver(&placed(1)).await },
        async { test.deliver(&placed(13)).await },
        async { test.deliver(&placed(2)).await },
    );
    assert_eq!([a.outcome(), b.outcome(), c.outcome()], [Outcome::Ack, Outcome::DeadLetter, Outcome::Ack]);
    assert_eq!(seen.all(), [3, 1, 1, 1]);
}

/// It says that it is a `Placed`.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = customer)]
struct Garbled {
    customer: String,
}

impl Garbled {
    fn new() -> Self {
        Self { customer: "bob".into() }
    }
}

#[handler(group = "lean", batch(max = 3, wait = "1s"), dead_letter = discard)]
async fn lean(orders: Batch<Placed>, seen: State<Seen<usize>>) {
    seen.push(orders.len());
}

#[handler(group = "other")]
async fn cancel(_: Cancelled) {}

service! { Both = "both" { handles: [index, lean, cancel], state: [Seen<usize>] } }

#[tokio::test]
async fn what_cannot_be_read_ends_as_its_group_says() {
    let test = Both::test(Seen::default());
    let (well, garbled) =
        tokio::join!(async { test.deliver(&placed(1)).await }, async { test.deliver(&Garbled::new()).await });
    for group in ["both", "lean"] {
        assert_eq!(well.group(group).outcome(), Outcome::Ack);
    }
    for (group, outcome) in [("both", Outcome::DeadLetter), ("lean", Outcome::Discard)] {
        assert_eq!(garbled.group(group).outcome(), outcome);
        assert_eq!(garbled.group(group).reason(), Some(Reason::Undecodable), "{garbled:?}");
    }
    assert_eq!(garbled.group("other").how(), How::Skipped);
    let alone = test.deliver(&Garbled::new()).await;
    assert_eq!(alone.group("lean").reason(), Some(Reason::Undecodable));
}

#[handler(topic = "shop.>", group = "audit")]
async fn audit(event: AnyEvent, seen: State<Seen<String>>) {
    seen.push(event.name().to_owned());
}

service! { Audit = "auditing" { handles: [audit], state: [Seen<String>] } }

#[tokio::test]
async fn a_pattern_receives_what_it_catches() {
    let seen = Seen::default();
    let test = Audit::test(seen.clone());
    assert_eq!(test.deliver(&placed(1)).await.group("audit").outcome(), Outcome::Ack);
    assert_eq!(test.deliver(&Shipped { number: 1 }).await.outcome(), Outcome::Ack);
    assert_eq!(seen.all(), ["order.placed", "parcel.sent"]);
}

#[handler]
async fn announce(order: Placed, progress: Publisher<(Paid, Shipped)>) -> Result<(), Failure> {
    progress.publish(&Paid { number: order.number, customer: None }).await?;
    progress.publish(&Shipped { number: order.number }).header("by", "van").await?;
    Ok(())
}

#[test]
fn a_publisher_of_a_plain_unit_test_records() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (progress, recorded) = Publisher::recording();
        announce(placed(1), progress.clone()).await.unwrap();
        announce(placed(2), progress.clone()).await.unwrap();
        let paid = |number| Paid { number, customer: None };
        assert_eq!(recorded.events::<Paid>(), [paid(1), paid(2)]);
        assert_eq!(recorded.events::<Shipped>(), [Shipped { number: 1 }, Shipped { number: 2 }]);

        recorded.refuse::<Shipped>(1, ErrorKind::Timeout);
        let error = announce(placed(3), progress.clone()).await.unwrap_err();
        assert_says(&error.to_string(), &["the test refuses it"]);
        assert_eq!((recorded.events::<Paid>().len(), recorded.events::<Shipped>().len()), (3, 2));
        let error = progress.publish(&Shipped { number: 4 }).header("CE-X", "").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidHeader);

        let (_, others) = Publisher::<Paid>::recording();
        assert!(others.events::<Paid>().is_empty());
    });
}
