//! Settling: what is done with is settled, once; what is not comes again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use typebus::{FromDelivery, Incoming, Reason, Tuning, prelude::*};
use typebus_tests::{Does, Ends, Job, Journal, Placed, Seen, caught_up, counts, ends, letters, patiently};

use crate::{
    trial::{Verdict, trials},
    world::World,
};

trials! { "Settling":
    "what is settled does not come again, and what is not does" => settled, caught: [NeverSettles @ "memory", SettlesOnClose @ "nats"];
    "what ends out of order never settles what began before it" => out_of_order, caught: [SettlesUpTo @ "memory", SettlesUpTo @ "pulsar", SettlesEarly @ "rabbitmq"];
    "every way to end settles exactly once" => every_way, caught: [SettlesTwice @ "memory", NeverSettles @ "kafka", SettlesEarly @ "nats"];
    "a message that is given back 25 times is not dropped" [15] => restarts, caught: [DropsTwentieth @ "rabbitmq"];
    "`at_most_once`: what began does not come again" => at_most_once, caught: [NeverSettles @ "memory"];
    "`exactly_once` is refused at start-up" => exactly_once;
}

#[handler(concurrency = 32, retry(attempts = 1), timeout = "14m")]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

const SECOND: Duration = Duration::from_secs(1);

fn hasty() -> Tuning {
    Tuning { drain: SECOND, ..Tuning::default() }
}

async fn settled(world: &World) -> Verdict {
    let journal = Journal::default();
    let process = world.tuned::<Workshop, _>(journal.clone(), hasty()).await;
    let running = process.start().await;
    for number in 0..10 {
        process.bus.publish(&Job::of("done", number)).await.unwrap();
    }
    caught_up(&running).await;
    process.bus.publish(&Job::of("stuck", 10).does([Does::Hang])).await.unwrap();
    process.bus.publish(&Job::of("stuck", 11)).await.unwrap();
    journal.begun(11).await;
    patiently(running.stop()).await.unwrap();
    let next = world.process::<Workshop, _>(journal.clone()).await;
    let _running = next.start().await;
    journal.begun(12).await;
    let _stays = tokio::time::timeout(world.either(60 * SECOND, 3 * SECOND), journal.begun(13)).await;
    assert_eq!(journal.beginnings()[10..], [(10, 1), (10, 1)]);
    Verdict::Kept
}

async fn out_of_order(world: &World) -> Verdict {
    let journal = Journal::default();
    let process = world.process::<Workshop, _>(journal.clone()).await;
    let running = process.start().await;
    // The first hangs, and the others of its partition are done.
    process.bus.publish(&Job::of("stuck", 0).does([Does::Hang])).await.unwrap();
    for number in 1..30 {
        process.bus.publish(&Job::of(&format!("key-{number}"), number)).await.unwrap();
    }
    journal.begun(30).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(counts(&running).handled, 29);
    process.dies(&running, "work.jobs").await;
    let next = world.process::<Workshop, _>(journal.clone()).await;
    let _running = next.start().await;
    journal.begun(31).await;
    tokio::time::sleep(world.either(SECOND, 3 * SECOND)).await;
    let again: BTreeSet<u32> = journal.beginnings()[30..].iter().map(|(number, _)| *number).collect();
    assert!(again.contains(&0), "{again:?}");
    if world.nature().settles_at_once {
        assert_eq!(again.len(), 1, "{again:?}");
    }
    Verdict::Kept
}

/// What some payloads do not give.
struct Small;

impl FromDelivery for Small {
    type Needs = Journal;
    type Error = Failure;

    fn from_delivery(incoming: &Incoming<'_>, _: &Journal) -> Result<Self, Failure> {
        match incoming.payload().len() {
            0..200 => Ok(Self),
            _ => Err(Failure::dead_letter("too large")),
        }
    }
}

#[handler(retry(attempts = 3, backoff = "10ms..20ms"), timeout = "1s", unknown_version = dead_letter)]
async fn all_ways(job: Job, attempt: Attempt, _: Small, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { AllWays = "all-ways" { handles: [all_ways], publishes: [Job], state: [Journal] } }

async fn every_way(world: &World) -> Verdict {
    let journal = Journal::default();
    let process = world.process::<AllWays, _>(journal.clone()).await;
    let foreign = world.foreign();
    let ways: [&[Does]; 10] = [
        &[Does::Well],
        &[Does::Take(50)],
        &[Does::Fail, Does::Well],
        &[Does::Fail; 3],
        &[Does::FailFor(20), Does::Take(5)],
        &[Does::Bury],
        &[Does::Drop],
        &[Does::Panic; 3],
        &[Does::Hang; 3],
        &[Does::Panic, Does::Hang, Does::Well],
    ];
    for (number, does) in (0..).zip(ways) {
        process.bus.publish(&Job::of(&format!("key-{}", number % 3), number).does(does)).await.unwrap();
    }
    let foreign = |kind: &'static str, payload: Vec<u8>| {
        foreign.message("work.jobs").key("key-1").header("ce_type", kind).payload(payload).send()
    };
    foreign("job.v1", b"{ not json".to_vec()).await.unwrap();
    foreign("job.v9", b"{}".to_vec()).await.unwrap();
    foreign("unknown.v1", b"{}".to_vec()).await.unwrap();
    let large = Job::of(&"k".repeat(300), 20);
    foreign("job.v1", serde_json::to_vec(&large).unwrap()).await.unwrap();
    let running = process.start().await;
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 5, discarded: 1, skipped: 1, dead_lettered: 7 });
    // One that is dropped by the stop, and not settled.
    let begun = journal.beginnings().len();
    process.bus.publish(&Job::of("last", 30).does([Does::Take(900)])).await.unwrap();
    journal.begun(begun + 1).await;
    running.hurry();
    patiently(running.finished()).await.unwrap();
    let settled = world.shared().settled();
    let unique: BTreeSet<_> = settled.iter().collect();
    assert_eq!((settled.len(), unique.len()), (14, 14));
    let next = world.process::<AllWays, _>(journal.clone()).await;
    let reasons: BTreeSet<String> =
        letters(&next.bus, "all-ways").await.iter().map(|letter| letter.reason().to_string()).collect();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    caught_up(&next.start().await).await;
    assert_eq!(world.shared().settled().len(), 15);
    Verdict::Kept
}

#[handler(retry(attempts = 1), timeout = "14m")]
async fn patient(order: Placed, fine: State<Arc<AtomicBool>>, seen: State<Seen<u64>>) {
    seen.push(order.number);
    if !fine.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

service! {
    Patient = "patient" { handles: [patient], publishes: [Placed], state: [Arc<AtomicBool>, Seen<u64>] }
}

async fn restarts(world: &World) -> Verdict {
    let (fine, seen) = (Arc::new(AtomicBool::new(false)), Seen::default());
    let state = || (Arc::clone(&fine), seen.clone());
    let publisher = world.process::<Patient, _>(state()).await;
    publisher.bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    for restart in 1..=25 {
        let running = world.process::<Patient, _>(state()).await.start().await;
        seen.reached(restart).await;
        running.hurry();
        patiently(running.finished()).await.unwrap();
    }
    fine.store(true, Ordering::Relaxed);
    let running = world.process::<Patient, _>(state()).await.start().await;
    caught_up(&running).await;
    assert_eq!((seen.count(), ends(&running)), (26, Ends { handled: 1, ..Ends::NONE }));
    assert!(letters(&publisher.bus, "patient").await.is_empty());
    Verdict::Kept
}

#[handler(delivery = at_most_once)]
async fn once(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Once = "once" { handles: [once], publishes: [Job], state: [Journal] } }

async fn at_most_once(world: &World) -> Verdict {
    let journal = Journal::default();
    if !world.capabilities().at_most_once {
        let error = Bus::<Once>::builder().state(journal).connect(world.backend()).await.unwrap_err();
        assert!(error.to_string().contains("`delivery = at_most_once`"), "{error}");
        return Verdict::Absent;
    }
    let process = world.process::<Once, _>(journal.clone()).await;
    let running = process.start().await;
    process.bus.publish(&Job::of("k", 1).does([Does::Hang])).await.unwrap();
    process.bus.publish(&Job::of("k", 2)).await.unwrap();
    journal.begun(1).await;
    process.dies(&running, "work.jobs").await;
    let next = world.process::<Once, _>(journal.clone()).await;
    caught_up(&next.start().await).await;
    assert_eq!(journal.beginnings(), [(1, 1), (2, 1)]);
    assert!(letters(&next.bus, "once").await.iter().all(|letter| letter.reason() == Reason::Crashed));
    Verdict::Kept
}

#[handler(delivery = exactly_once)]
async fn exactly(_: Placed) {}

service! { Exactly = "exactly" { handles: [exactly] } }

async fn exactly_once(world: &World) -> Verdict {
    let error = world.refuses::<Exactly>().await.expect("no backend has it");
    assert!(error.to_string().contains("`delivery = exactly_once`"), "{error}");
    Verdict::Absent
}
