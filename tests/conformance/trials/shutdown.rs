//! Shutdown, deploys, dedupe and bounds: what a service that comes, goes or is full does to its deliveries.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use typebus::{
    Begun, BoxError, Claim, DedupeStore, ErrorKind, Limits, LocalStore, Tuning, backend::BoxFuture,
    prelude::*,
};
use typebus_tests::{
    Does, Ends, Gate, Job, Journal, Paid, Placed, Shipped, caught_up, counts, ends, patiently, until,
};

use crate::{
    slip::Slip,
    trial::{Verdict, trials},
    world::World,
};

trials! { "Shutdown, deploys, repeats, bounds":
    "the deadline, with queued, running, sleeping and publishing deliveries" [21] => deadline, caught: [SettlesOnClose @ "memory", SettlesOnClose @ "pulsar", SettlesEarly @ "nats"];
    "a second signal does not wait, and nothing is lost" [21] => second_signal, caught: [SettlesOnClose @ "kafka", SettlesOnClose @ "rabbitmq"];
    "the publisher closes after the handlers, and a stop may be asked for twice" => closes_last, caught: [SwallowsErrors @ "memory", LosesTenth @ "memory"];
    "a rolling deploy, producers first: nothing dead-lettered, nothing reordered" [13] => rolling, caught: [SkipsUnknown @ "memory", Swaps @ "nats"];
    "a repeat of finished work is not run, one of running work waits" [20] => repeats, caught: [ForgetfulStore @ "memory", ForgetfulStore @ "pulsar"];
    "a handler that never returns bounds what is taken" => bounded, caught: [Overfills @ "memory"];
    "one stuck key, then a crash: others went on, and nothing is lost" [8] => stuck, caught: [SettlesUpTo @ "memory", SettlesEarly @ "nats"];
}

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Desk {
    journal: Journal,
    gate: Gate,
}

/// Jobs above 100 sell something when they are done.
#[handler(concurrency = 4, retry(attempts = 9, backoff = "5s..5s"), timeout = "90s")]
async fn work(job: Job, attempt: Attempt, desk: State<Desk>) -> Result<Option<Shipped>, Failure> {
    desk.journal.run(&job, attempt.number()).await?;
    Ok((job.number >= 100).then_some(Shipped { number: job.number.into() }))
}

#[handler(group = "carriers")]
async fn carry(_: Shipped) {}

service! { Workshop = "workshop" { handles: [work, carry], publishes: [Job], state: [Desk] } }

/// Four hang, four sleep, one publishes without being confirmed, and ten wait.
async fn busy(
    world: &World,
    desk: &Desk,
    tuning: Tuning,
) -> (crate::world::Process<Workshop>, typebus::Running, Box<dyn Send>) {
    let process = world.tuned::<Workshop, _>(desk.clone(), tuning).await;
    let running = process.start().await;
    let held = process.harm.hold_confirmations("shop.parcels");
    let publish = async |number: u32, key: &str, does: &[Does]| {
        process.bus.publish(&Job::of(key, number).does(does)).await.unwrap();
    };
    let (sleep, hang) = world.either((300_000, 3_600_000), (12_000, 15_000));
    for number in 0..4 {
        publish(number, &format!("sleeps-{number}"), &[Does::FailFor(sleep)]).await;
    }
    desk.journal.begun(4).await;
    publish(100, "publishes", &[]).await;
    desk.journal.begun(5).await;
    for number in 10..14 {
        publish(number, &format!("hangs-{number}"), &[Does::Take(hang)]).await;
    }
    desk.journal.begun(9).await;
    for number in 20..30 {
        publish(number, &format!("waits-{number}"), &[]).await;
    }
    until(|| workshop(&running).received == 19).await;
    (process, running, held)
}

fn workshop(running: &typebus::Running) -> typebus::GroupStats {
    running.stats().groups().iter().find(|group| group.group == "workshop").cloned().unwrap()
}

/// Everything that was not settled comes again, and all of it is done in the end.
async fn goes_on(world: &World, desk: &Desk, before: usize) {
    let next = world.process::<Workshop, _>(desk.clone()).await;
    let _running = next.start().await;
    let settled = world.shared().settled().len();
    caught_up(&_running).await;
    let mut again: Vec<u32> = desk.journal.beginnings()[before..].iter().map(|(number, _)| *number).collect();
    again.sort_unstable();
    again.dedup();
    let expected: Vec<u32> = (0..4).chain(10..14).chain(20..30).chain([100]).collect();
    assert_eq!(again, expected, "{settled} were settled before");
}

async fn deadline(world: &World) -> Verdict {
    let desk = Desk::default();
    let drain = world.either(20 * SECOND, 3 * SECOND);
    let (_process, running, held) = busy(world, &desk, Tuning { drain, ..Tuning::default() }).await;
    let (before, began) = (desk.journal.beginnings().len(), Instant::now());
    let _stopped = patiently(running.stop()).await;
    let took = began.elapsed();
    assert!(took >= drain && took <= drain + 10 * SECOND, "it took {took:?}");
    drop(held);
    let workshop = workshop(&running);
    assert_eq!((workshop.received, workshop.settled()), (19, 0));
    goes_on(world, &desk, before).await;
    Verdict::Kept
}

async fn second_signal(world: &World) -> Verdict {
    let desk = Desk::default();
    let (_process, running, held) = busy(world, &desk, Tuning::default()).await;
    let (before, began) = (desk.journal.beginnings().len(), Instant::now());
    let hurry = async {
        tokio::time::sleep(2 * SECOND).await;
        running.hurry();
    };
    let _stopped = patiently(async { tokio::join!(running.stop(), hurry) }).await;
    let took = began.elapsed();
    assert!(took >= 2 * SECOND && took <= 12 * SECOND, "it took {took:?}");
    drop(held);
    goes_on(world, &desk, before).await;
    Verdict::Kept
}

/// Publishes midway and by returning, after the stop has begun.
#[handler]
async fn sell(order: Placed, parcels: Publisher<Shipped>, desk: State<Desk>) -> Result<Paid, Failure> {
    desk.gate.pass().await;
    for number in 0..10 {
        parcels.publish(&Shipped { number }).await?;
    }
    Ok(Paid { number: order.number, customer: None })
}

#[handler(group = "tills")]
async fn pay(_: Paid) {}

service! { Shop = "shop" { handles: [sell, carry, pay], publishes: [Placed], state: [Desk] } }

async fn closes_last(world: &World) -> Verdict {
    let desk = Desk::default();
    let process = world.process::<Shop, _>(desk.clone()).await;
    process.bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    let running = process.start().await;
    desk.gate.crowd(1).await;
    let opening = async { desk.gate.open() };
    let (one, two, ()) = patiently(async { tokio::join!(running.stop(), running.stop(), opening) }).await;
    one.unwrap();
    two.unwrap();
    patiently(running.stop()).await.unwrap();
    let late = process.bus.publish(&Placed { number: 2, customer: "ann".into() }).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    // The connection that the bus had is closed, too: it says so, and takes nothing.
    let backend = world.backend();
    patiently(backend.close()).await.unwrap();
    patiently(backend.close()).await.unwrap();
    let refused = typebus::testing::Foreign::connect(backend).unwrap();
    let error = refused.message("shop.orders").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let next = world.process::<Shop, _>(desk.clone()).await;
    let running = next.start().await;
    caught_up(&running).await;
    let handled: u64 = running.stats().groups().iter().map(|group| group.handled).sum();
    assert_eq!(handled, 11, "ten parcels and a payment were published before the end");
    Verdict::Kept
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note.written", version = 2, key = customer)]
struct NoteV2 {
    number: u32,
    customer: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.notes", name = "note.written", version = 3, key = customer, upcasts(NoteV2))]
struct NoteV3 {
    number: u32,
    customer: String,
}

impl From<NoteV2> for NoteV3 {
    fn from(NoteV2 { number, customer }: NoteV2) -> Self {
        Self { number, customer }
    }
}

#[handler(group = "notes")]
async fn old(note: NoteV2, desk: State<Desk>) {
    let _ = desk.journal.run(&Job::of(&note.customer, note.number), 1).await;
}

#[handler(group = "notes")]
async fn new(note: NoteV3, desk: State<Desk>) {
    let _ = desk.journal.run(&Job::of(&note.customer, note.number), 1).await;
}

service! { Old = "old" { handles: [old], publishes: [NoteV2], state: [Desk] } }
service! { New = "new" { handles: [new], publishes: [NoteV3], state: [Desk] } }
service! { Writing = "writing" { publishes: [NoteV2] } }
service! { WritingNew = "writing-new" { publishes: [NoteV3] } }

async fn rolling(world: &World) -> Verdict {
    let desk = Desk::default();
    let first = world.process::<Old, _>(desk.clone()).await;
    let second = world.process::<Old, _>(desk.clone()).await;
    let (writer, newer) = (world.stateless::<Writing>().await, world.stateless::<WritingNew>().await);
    let olds = [first.start().await, second.start().await];
    for number in 0..30 {
        let customer = ["ann", "ben", "cat", "dan", "eve"][number as usize % 5].to_owned();
        match number % 4 {
            3 => newer.bus.publish(&NoteV3 { number, customer }).await.unwrap(),
            _ => writer.bus.publish(&NoteV2 { number, customer }).await.unwrap(),
        };
    }
    tokio::time::sleep(world.either(60 * SECOND, 3 * SECOND)).await;
    assert!(olds.iter().any(|old| old.ready().to_string().contains("needs note.written v3")), "{olds:?}");
    let new = world.process::<New, _>(desk.clone()).await;
    let running = new.start().await;
    for old in &olds {
        patiently(old.stop()).await.unwrap();
    }
    caught_up(&running).await;
    let lanes = desk.journal.assert_key_order_of_batches();
    assert_eq!(lanes.values().map(Vec::len).sum::<usize>(), 30);
    let dead: u64 = olds.iter().chain([&running]).map(|running| counts(running).dead_lettered).sum();
    assert_eq!(dead, 0);
    Verdict::Kept
}

/// A store that several processes share, as they would a database; or one that knows of nothing.
#[derive(Debug, Clone)]
struct Store(Option<Arc<LocalStore>>);

impl DedupeStore for Store {
    fn begin<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Begun, BoxError>> {
        Box::pin(async {
            match &self.0 {
                Some(store) => store.begin(claim).await,
                None => Ok(Begun::New),
            }
        })
    }

    fn done<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async {
            match &self.0 {
                Some(store) => store.done(claim).await,
                None => Ok(()),
            }
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async {
            match &self.0 {
                Some(store) => store.release(claim).await,
                None => Ok(()),
            }
        })
    }
}

#[handler(dedupe = "1h", order = none, retry(attempts = 3, backoff = "1s..1s", jitter = false), timeout = "1m")]
async fn once(job: Job, attempt: Attempt, desk: State<Desk>) -> Result<(), Failure> {
    desk.journal.run(&job, attempt.number()).await
}

service! { Once = "once" { handles: [once], publishes: [Job], state: [Desk] } }

async fn repeats(world: &World) -> Verdict {
    let desk = Desk::default();
    let store = Store((!world.slips(Slip::ForgetfulStore)).then(Arc::default));
    let connect = async || {
        let (connection, config) = (world.connect(), world.config("handlers.once.timeout = \"5s\""));
        let builder = Bus::<Once>::builder().state(desk.clone()).dedupe_store(store.clone()).config(config);
        (builder.connect(connection.backend).await.unwrap(), connection.harm)
    };
    let ((first, harm), (second, _)) = (connect().await, connect().await);
    let one = first.start().await.unwrap();
    // Repeats in the middle of the first run: at the same instance, then at whichever of two. It is shorter than what a
    // rebalance leaves it.
    let (first_takes, second_takes) = world.either((8_000, 10_000), (3_000, 4_000));
    let job = Job { number: 1, key: None, does: vec![Does::Take(first_takes)] };
    for nth in 0..3 {
        let repeat = Job { key: Some(format!("copy-{nth}")), ..job.clone() };
        first.publish(&repeat).id("fact-1").await.unwrap();
    }
    desk.journal.begun(1).await;
    let began = Instant::now();
    let two = second.start().await.unwrap();
    for nth in 3..8 {
        let repeat = Job { key: Some(format!("copy-{nth}")), ..job.clone() };
        first.publish(&repeat).id("fact-1").await.unwrap();
    }
    caught_up(&two).await;
    assert_eq!(desk.journal.beginnings().len(), 1, "{:?}", desk.journal.beginnings());
    let until = Duration::from_millis(world.either(first_takes, first_takes / 2));
    assert!(began.elapsed() >= until, "it waited for the first run");
    // A crash before it is done is repeated, once.
    first
        .publish(&Job { number: 2, key: None, does: vec![Does::Take(second_takes)] })
        .id("fact-2")
        .await
        .unwrap();
    desk.journal.begun(2).await;
    harm.kill();
    patiently(one.finished()).await.unwrap_err();
    tokio::time::sleep(world.either(200 * SECOND, SECOND)).await;
    caught_up(&two).await;
    let of_two = desk.journal.beginnings().iter().filter(|(number, _)| *number == 2).count();
    assert!((1..=2).contains(&of_two), "{of_two}");
    Verdict::Kept
}

#[handler(concurrency = 64, retry(attempts = 1), timeout = "14m")]
async fn never(job: Job, desk: State<Desk>) {
    let _ = job;
    desk.gate.pass().await;
}

service! { Never = "never" { handles: [never], publishes: [Job], state: [Desk] } }

async fn bounded(world: &World) -> Verdict {
    let desk = Desk::default();
    let limits = Limits { held: 10, ..Limits::default() };
    let process = world.tuned::<Never, _>(desk.clone(), Tuning { limits, ..Tuning::default() }).await;
    for number in 0..500 {
        process.bus.publish(&Job::of(&format!("key-{number}"), number)).await.unwrap();
    }
    let running = process.start().await;
    desk.gate.crowd(10).await;
    tokio::time::sleep(world.either(600 * SECOND, 3 * SECOND)).await;
    assert_eq!((counts(&running).received, desk.gate.waiting()), (10, 10));
    desk.gate.open();
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 500, ..Ends::NONE });
    Verdict::Kept
}

#[handler(concurrency = 32, retry(attempts = 1), timeout = "14m")]
async fn steady(job: Job, desk: State<Desk>) {
    let _ = desk.journal.run(&job, 1).await;
}

service! { Steady = "steady" { handles: [steady], publishes: [Job], state: [Desk] } }

async fn stuck(world: &World) -> Verdict {
    let desk = Desk::default();
    let limits = Limits { gap: 100, ..Limits::default() };
    let process = world.tuned::<Steady, _>(desk.clone(), Tuning { limits, ..Tuning::default() }).await;
    process.bus.publish(&Job::of("stuck", 0).does([Does::Hang])).await.unwrap();
    process.bus.publish(&Job::of("stuck", 1)).await.unwrap();
    let running = process.start().await;
    for number in 2..800 {
        process.bus.publish(&Job::of(&format!("key-{}", number % 40), number)).await.unwrap();
    }
    tokio::time::sleep(world.either(30 * SECOND, 4 * SECOND)).await;
    let (received, handled) = (counts(&running).received, counts(&running).handled);
    assert!((90..800).contains(&handled), "{handled} were handled beside the stuck one");
    assert!(received - handled <= 200, "{received} taken and {handled} handled");
    process.dies(&running, "work.jobs").await;
    let before = desk.journal.beginnings().len();
    // The second run of it does what it should.
    let next = world.process::<Unstuck, _>(desk.clone()).await;
    let running = next.start().await;
    caught_up(&running).await;
    let again = desk.journal.beginnings()[before..].to_vec();
    let mut all: Vec<u32> = desk.journal.beginnings().into_iter().map(|(number, _)| number).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..800).collect::<Vec<_>>());
    assert!(again.contains(&(0, 1)) && again.contains(&(1, 1)));
    let repeated = again.len() + before - 800;
    let most = if world.nature().settles_at_once { 1 } else { 1 + usize::try_from(handled).unwrap() };
    assert!((1..=most).contains(&repeated), "{repeated} ran again");
    Verdict::Kept
}

/// The same group, repaired.
#[handler(group = "steady", concurrency = 32)]
async fn steady_again(job: Job, desk: State<Desk>) {
    let _ = desk.journal.run(&Job { does: Vec::new(), ..job }, 1).await;
}

service! { Unstuck = "unstuck" { handles: [steady_again], publishes: [Job], state: [Desk] } }
