//! Several workers share a subscription: a program sees the same as of one, and it goes on as any other.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{Error, ErrorKind, GroupStats, Limits, Running, Tuning, prelude::*};
use typebus_tests::{
    Does, Ends, Gate, Job, Journal, Placed, Seen, Shipped, broker, caught_up, counts, ends, letters,
    patiently,
};

fn workers(workers: usize) -> Tuning {
    Tuning { workers: Some(workers), ..Tuning::default() }
}

#[handler(concurrency = 32, retry(attempts = 4, backoff = "10ms..40ms"), timeout = "1h")]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

async fn join(url: &str, journal: &Journal, count: usize) -> (Bus<Workshop>, Running) {
    let builder = Bus::<Workshop>::builder().state(journal.clone()).tuning(workers(count));
    let bus = builder.connect(url).await.unwrap();
    let running = bus.start().await.unwrap();
    (bus, running)
}

/// Jobs of 40 keys, over the four partitions of the topic.
async fn publish(bus: &Bus<Workshop>, numbers: std::ops::Range<u32>, does: impl Fn(u32) -> Vec<Does>) {
    for number in numbers {
        bus.publish(&Job::of(&format!("key-{}", number % 40), number).does(does(number))).await.unwrap();
    }
}

fn numbers(journal: &Journal) -> Vec<u32> {
    let mut numbers: Vec<u32> = journal.beginnings().into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[tokio::test(start_paused = true)]
async fn each_key_keeps_its_order() {
    for count in 2..=4 {
        let journal = Journal::default();
        let (bus, running) = join("memory:", &journal, count).await;
        publish(&bus, 0..2_000, |number| match number % 7 {
            0 => vec![Does::Fail, Does::Take(3)],
            1 => vec![Does::Take(u64::from(number % 5))],
            2 => vec![Does::Panic],
            3 => vec![Does::Bury],
            _ => vec![],
        })
        .await;
        caught_up(&running).await;
        let lanes = journal.assert_key_order();
        assert_eq!((lanes.len(), numbers(&journal)), (40, (0..2_000).collect()));
        assert!(journal.most_at_once() <= 32, "{} ran at once", journal.most_at_once());
        let GroupStats { received, retried, .. } = counts(&running);
        let buried = (0..2_000_u64).filter(|number| number % 7 == 3).count() as u64;
        assert_eq!(
            ends(&running),
            Ends { handled: 2_000 - buried, dead_lettered: buried, ..Ends::NONE },
            "every worker's counters are added up"
        );
        assert_eq!((received, letters(&bus, "workshop").await.len() as u64), (2_000, buried));
        assert_eq!(retried, (0..2_000).filter(|number| number % 7 == 0 || number % 7 == 2).count() as u64);
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_may_run_is_divided_among_the_workers_and_no_more() {
    for (count, keys) in [(2, 400), (3, 400), (4, 400)] {
        let journal = Journal::default();
        let (bus, running) = join("memory:", &journal, count).await;
        for number in 0..keys {
            bus.publish(&Job::of(&format!("{number}"), number).does([Does::Take(50)])).await.unwrap();
        }
        caught_up(&running).await;
        assert_eq!(journal.most_at_once(), 32, "with {count} workers");
    }
}

#[handler(concurrency = 3)]
async fn take(parcel: Shipped, seen: State<Seen<u64>>, gate: State<Gate>) {
    seen.push(parcel.number);
    gate.pass().await;
}

#[handler(concurrency = 1)]
async fn one_by_one(order: Placed, seen: State<Seen<u64>>, gate: State<Gate>) {
    seen.push(order.number);
    gate.pass().await;
}

service! { Taker = "taker" { handles: [take], publishes: [Shipped], state: [Seen<u64>, Gate] } }
service! { Single = "single" { handles: [one_by_one], publishes: [Placed], state: [Seen<u64>, Gate] } }

#[tokio::test(start_paused = true)]
async fn there_are_no_more_workers_than_attempts() {
    let (seen, gate) = (Seen::default(), Gate::default());
    let state = (seen.clone(), gate.clone());
    let bus =
        Bus::<Taker>::builder().state(state.clone()).tuning(workers(100)).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..9 {
        bus.publish(&Shipped { number }).await.unwrap();
    }
    gate.crowd(3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.count(), 3);
    gate.open();
    caught_up(&running).await;
    assert_eq!(seen.sorted(), (0..9).collect::<Vec<_>>());

    let (seen, gate) = (Seen::default(), Gate::default());
    let state = (seen.clone(), gate.clone());
    let bus = Bus::<Single>::builder().state(state).tuning(workers(4)).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..9 {
        bus.publish(&Placed { number, customer: format!("{number}") }).await.unwrap();
    }
    gate.crowd(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.count(), 1);
    gate.open();
    caught_up(&running).await;
}

#[handler(batch(max = 10, wait = "1s"))]
async fn collect(parcels: Batch<Shipped>, seen: State<Seen<u64>>) {
    seen.push(parcels.len() as u64);
}

service! { Collector = "collector" { handles: [collect], publishes: [Shipped], state: [Seen<u64>] } }

#[tokio::test(start_paused = true)]
async fn a_subscription_with_batches_is_not_shared() {
    let seen = Seen::default();
    let builder = Bus::<Collector>::builder().state(seen.clone()).tuning(workers(4));
    let bus = builder.connect("memory:").await.unwrap();
    for number in 0..30 {
        bus.publish(&Shipped { number }).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    caught_up(&running).await;
    assert_eq!(seen.all(), [10, 10, 10], "no batch is cut by a worker's share");
}

#[tokio::test(start_paused = true)]
async fn no_worker_at_all_is_refused() {
    let builder = Bus::<Workshop>::builder().state(Journal::default()).tuning(workers(0));
    let error: Error = builder.connect("memory:").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`workers`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn instances_join_and_leave() {
    for count in 2..=4 {
        let (url, journal) = (broker(), Journal::default());
        let (bus, first) = join(&url, &journal, count).await;
        publish(&bus, 0..400, |_| vec![Does::Take(100)]).await;
        journal.begun(20).await;
        let (_other, second) = join(&url, &journal, 5 - count).await;
        let (_third, third) = join(&url, &journal, count).await;
        journal.begun(100).await;
        patiently(first.stop()).await.unwrap();
        journal.begun(250).await;
        patiently(third.stop()).await.unwrap();
        caught_up(&second).await;
        // Everybody finished what it ran before it gave it up, so nothing ran twice.
        journal.assert_key_order();
        assert_eq!(journal.beginnings().len(), 400);
        let handled: u64 = [&first, &second, &third].map(|running| counts(running).handled).iter().sum();
        assert_eq!(handled, 400);
    }
}

#[test]
fn who_takes_over_after_a_crash_goes_on_in_order() {
    let (url, journal) = (broker(), Journal::default());
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let crashing = runtime();
    crashing.block_on(async {
        let (bus, running) = join(&url, &journal, 3).await;
        publish(&bus, 0..200, |_| vec![Does::Take(100), Does::Take(1)]).await;
        journal.begun(90).await;
        std::mem::forget(running);
    });
    // Every task of it is dropped where it stands.
    drop(crashing);
    runtime().block_on(async {
        let (_bus, running) = join(&url, &journal, 2).await;
        caught_up(&running).await;
    });
    assert_eq!(numbers(&journal), (0..200).collect::<Vec<_>>());
    journal.assert_key_order_over_instances();
}

#[tokio::test(start_paused = true)]
async fn a_stop_drains_and_a_hurry_does_not_wait() {
    for hurry in [false, true] {
        let (url, journal) = (broker(), Journal::default());
        let (bus, running) = join(&url, &journal, 3).await;
        publish(&bus, 0..80, |_| vec![Does::Take(5_000)]).await;
        journal.begun(20).await;
        let began = Instant::now();
        if hurry {
            running.hurry();
        }
        patiently(running.stop()).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), if hurry { 0 } else { 5 });
        let handled = counts(&running).handled;
        assert_eq!(handled, if hurry { 0 } else { journal.beginnings().len() as u64 });
        let (_bus, next) = join(&url, &journal, 2).await;
        caught_up(&next).await;
        journal.assert_key_order_over_instances();
        assert_eq!(counts(&next).handled + handled, 80);
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_is_the_subscriptions() {
    let (seen, gate) = (Seen::default(), Gate::default());
    let limits = Limits { held: 10, ..Limits::default() };
    let builder = Bus::<Taker>::builder().state((seen.clone(), gate.clone()));
    let bus = builder.tuning(Tuning { limits, ..workers(3) }).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..100 {
        bus.publish(&Shipped { number }).await.unwrap();
    }
    gate.crowd(3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(counts(&running).received <= 10, "{:?}", counts(&running));
    gate.open();
    caught_up(&running).await;
    assert_eq!(seen.sorted(), (0..100).collect::<Vec<_>>());
}

/// Keys in order on real threads: the journal writes under one lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn threads_keep_the_order_of_keys() {
    let journal = Journal::default();
    let (bus, running) = join("memory:", &journal, 3).await;
    publish(&bus, 0..3_000, |number| if number % 3 == 0 { vec![Does::FailFor(1)] } else { vec![] }).await;
    caught_up(&running).await;
    journal.assert_key_order();
    assert_eq!(numbers(&journal), (0..3_000).collect::<Vec<_>>());
    running.stop().await.unwrap();
}
