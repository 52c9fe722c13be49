//! Skipping repeats of finished work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use typebus::{
    Begun, BoxError, Claim, DedupeStore, ErrorKind, LocalStore, backend::BoxFuture, backend::Capabilities,
    prelude::*,
};
use typebus_tests::{
    Cancelled, Does, Ends, Gate, Job, Journal, Placed, Seen, broker, caught_up, counts, ends, letters,
    patiently,
};

use crate::wrapped::Wrapped;

/// A store that several buses share, as they would a database.
#[derive(Debug, Clone, Default)]
struct Shared {
    store: Arc<LocalStore>,
    /// So many calls fail before the next succeeds.
    failing: Arc<AtomicU32>,
    asked: Seen<&'static str>,
}

impl Shared {
    fn ask(&self, what: &'static str) -> Result<(), BoxError> {
        self.asked.push(what);
        let failing = self.failing.load(Ordering::Relaxed);
        if failing > 0 {
            self.failing.store(failing - 1, Ordering::Relaxed);
            return Err("the database is down".into());
        }
        Ok(())
    }
}

impl DedupeStore for Shared {
    fn begin<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Begun, BoxError>> {
        Box::pin(async {
            self.ask("begin")?;
            self.store.begin(claim).await
        })
    }

    fn done<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async {
            self.ask("done")?;
            self.store.done(claim).await
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async {
            self.ask("release")?;
            self.store.release(claim).await
        })
    }
}

#[handler(dedupe = "1h", retry(attempts = 3, backoff = "1s..1s", jitter = false))]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Working = "working" { handles: [work], publishes: [Job], state: [Journal] } }

async fn connect(url: &str, journal: &Journal, store: impl DedupeStore) -> Bus<Working> {
    Bus::<Working>::builder().state(journal.clone()).dedupe_store(store).connect(url).await.unwrap()
}

async fn publish(bus: &Bus<Working>, id: &str, job: &Job) {
    bus.publish(job).id(id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_finished_work_is_not_run_within_the_window() {
    let journal = Journal::default();
    let bus = connect("memory:", &journal, LocalStore::new()).await;
    let running = bus.start().await.unwrap();
    for _ in 0..3 {
        publish(&bus, "fact-1", &Job::of("k", 1)).await;
    }
    publish(&bus, "fact-2", &Job::of("k", 2).does([Does::Drop])).await;
    publish(&bus, "fact-2", &Job::of("k", 2)).await;
    caught_up(&running).await;
    assert_eq!(journal.beginnings(), [(1, 1), (2, 1)], "what was discarded is finished too");
    assert_eq!(ends(&running), Ends { handled: 1, discarded: 1, ..Ends::NONE });
    assert_eq!((counts(&running).repeats, counts(&running).settled()), (3, 5));

    tokio::time::advance(Duration::from_secs(3_601)).await;
    publish(&bus, "fact-1", &Job::of("k", 1)).await;
    caught_up(&running).await;
    assert_eq!(counts(&running).handled, 2, "the window is over");
}

#[handler(dedupe = "1h", group = "both")]
async fn placed(order: Placed, seen: State<Seen<(u64, &'static str)>>) {
    seen.push((order.number, "placed"));
}

#[handler(dedupe = "1h", group = "both")]
async fn cancelled(order: Cancelled, seen: State<Seen<(u64, &'static str)>>) {
    seen.push((order.number, "cancelled"));
}

#[handler(dedupe = "1h", group = "other")]
async fn other(order: Placed, seen: State<Seen<(u64, &'static str)>>) {
    seen.push((order.number, "other"));
}

service! {
    Apart = "apart" {
        handles: [placed, cancelled, other],
        publishes: [Placed, Cancelled],
        state: [Seen<(u64, &'static str)>],
    }
}

#[tokio::test(start_paused = true)]
async fn events_handlers_and_groups_are_apart_also_with_equal_ids() {
    let seen = Seen::default();
    let builder = Bus::<Apart>::builder().state(seen.clone()).dedupe_store(LocalStore::new());
    let bus = builder.connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for _ in 0..2 {
        bus.publish(&Placed { number: 1, customer: "ann".into() }).id("order-1").await.unwrap();
        bus.publish(&Cancelled { number: 1, customer: "ann".into() }).id("order-1").await.unwrap();
    }
    caught_up(&running).await;
    assert_eq!(seen.sorted(), [(1, "cancelled"), (1, "other"), (1, "placed")]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_not_finished_and_what_is_given_up_may_be_done_again() {
    let (journal, store) = (Journal::default(), Shared::default());
    let bus = connect("memory:", &journal, store.clone()).await;
    let running = bus.start().await.unwrap();
    publish(&bus, "fact-1", &Job::of("k", 1).does([Does::Fail, Does::Fail, Does::Well])).await;
    publish(&bus, "fact-2", &Job::of("k", 2).does([Does::Bury, Does::Well])).await;
    publish(&bus, "fact-2", &Job::of("k", 2)).await;
    caught_up(&running).await;
    assert_eq!(journal.beginnings(), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 1)]);
    assert_eq!(ends(&running), Ends { handled: 2, dead_lettered: 1, ..Ends::NONE });
    let expected = ["begin", "begin", "begin", "done", "begin", "release", "begin", "done"];
    assert_eq!(store.asked.all(), expected);

    // The dead letter that is replayed repeats finished work by now.
    assert_eq!(bus.dead_letters("working").replay_all().await.unwrap(), 1);
    caught_up(&running).await;
    assert_eq!(journal.beginnings().len(), 5);
    assert!(letters(&bus, "working").await.is_empty());
}

/// A delivery that comes while another instance is at the same work waits for it, and only then is a repeat.
#[tokio::test(start_paused = true)]
async fn a_repeat_during_the_first_run_waits_also_at_another_instance() {
    let (journal, store) = (Journal::default(), Shared::default());
    // Two brokers: what one redelivers, the other never sees.
    let (first, second) = (
        connect("memory:", &journal, store.clone()).await,
        connect("memory:", &journal, store.clone()).await,
    );
    let (running, other) = (first.start().await.unwrap(), second.start().await.unwrap());
    publish(&first, "fact-1", &Job::of("k", 1).does([Does::Take(30_000)])).await;
    journal.begun(1).await;
    publish(&second, "fact-1", &Job::of("k", 1)).await;
    publish(&second, "fact-2", &Job::of("other", 2)).await;
    journal.begun(2).await;
    assert_eq!(counts(&other).repeats, 0);
    let begun = Instant::now();
    caught_up(&other).await;
    assert_eq!((counts(&other).repeats, counts(&other).handled), (1, 1));
    assert!(begun.elapsed() >= Duration::from_secs(29), "it waited");
    caught_up(&running).await;
    assert_eq!(journal.beginnings(), [(1, 1), (2, 1)]);
}

/// The work was done, and its process died before it could say so: it is repeated once, when the claim is over.
#[tokio::test(start_paused = true)]
async fn a_crash_before_done_repeats_once() {
    let (journal, store) = (Journal::default(), Shared::default());
    let first = connect("memory:", &journal, store.clone()).await;
    let running = first.start().await.unwrap();
    // The store fails from after the claim on, so that `done` is never written.
    publish(&first, "fact-1", &Job::of("k", 1).does([Does::Take(10)])).await;
    journal.begun(1).await;
    store.failing.store(u32::MAX, Ordering::Relaxed);
    while running.ready().is_ready() {
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let reasons = running.ready().reasons().to_vec();
    assert!(reasons[0].contains("the dedupe store of handler `work` does not answer"), "{reasons:?}");
    assert_eq!(ends(&running), Ends::NONE, "not settled before the store knows");
    // To the second one the same database answers.
    drop(running);
    let answering = Shared { store: Arc::clone(&store.store), ..Shared::default() };
    let second = connect("memory:", &journal, answering).await;
    let running = second.start().await.unwrap();
    for _ in 0..3 {
        publish(&second, "fact-1", &Job::of("k", 1)).await;
    }
    let begun = Instant::now();
    caught_up(&running).await;
    assert_eq!(journal.beginnings(), [(1, 1), (1, 1)]);
    assert!(
        begun.elapsed() <= Duration::from_secs(70),
        "the claim of the dead one lasts its timeout and 10 s"
    );
    assert_eq!((counts(&running).handled, counts(&running).repeats), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_holds_everything_and_loses_nothing() {
    let (journal, store) = (Journal::default(), Shared::default());
    store.failing.store(5, Ordering::Relaxed);
    let bus = connect("memory:", &journal, store.clone()).await;
    let running = bus.start().await.unwrap();
    publish(&bus, "fact-1", &Job::of("k", 1)).await;
    publish(&bus, "fact-2", &Job::of("k", 2)).await;
    caught_up(&running).await;
    assert_eq!(journal.beginnings(), [(1, 1), (2, 1)]);
    journal.assert_key_order();
    assert_eq!(counts(&running).retried, 0, "no attempt is spent");
    assert!(running.ready().is_ready());
}

#[handler(dedupe = "1h")]
async fn slow(_: Job, gate: State<Gate>) {
    gate.pass().await;
}

service! { Slow = "slow" { handles: [slow], publishes: [Job], state: [Gate] } }

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_running_work_and_for_the_store() {
    let (url, gate, store) = (broker(), Gate::default(), Shared::default());
    let bus =
        Bus::<Slow>::builder().state(gate.clone()).dedupe_store(store.clone()).connect(&url).await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..3 {
        bus.publish(&Job::of("k", number)).await.unwrap();
    }
    gate.crowd(1).await;
    let stop = running.stop();
    tokio::pin!(stop);
    assert!(futures_poll(stop.as_mut()).await.is_none());
    store.failing.store(2, Ordering::Relaxed);
    gate.open();
    patiently(stop).await.unwrap();
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
    assert_eq!(store.asked.all(), ["begin", "done", "done", "done"]);
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut future).poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[handler(dedupe = "1h", timeout = none, batch(max = 2))]
async fn wrong(_: Batch<Job>) {}

service! { Wrong = "wrong" { handles: [wrong] } }

#[tokio::test]
async fn what_it_needs_is_said_at_start_up() {
    let error = Bus::<Wrong>::builder().connect("memory:").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 3, "{error}");
    for word in [".dedupe_store(..)", "`timeout`", "`Batch`"] {
        assert!(
            problems.iter().any(|problem| problem.contains("`wrong`") && problem.contains(word)),
            "{error}"
        );
    }

    let able = Wrapped::new("memory:");
    let capabilities = Capabilities { shared: true, ..able.capabilities };
    let builder = Bus::<Slow>::builder().state(Gate::default()).dedupe_store(LocalStore::new());
    let error = builder.connect(Wrapped { capabilities, ..able }).await.unwrap_err();
    assert!(error.to_string().contains("all processes share"), "{error}");
    let able = Wrapped::new("memory:");
    let builder = Bus::<Slow>::builder().state(Gate::default()).dedupe_store(Shared::default());
    builder.connect(Wrapped { capabilities, ..able }).await.unwrap();
}
