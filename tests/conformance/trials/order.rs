//! Order: of one key nothing begins before everything earlier is settled, whoever comes, goes or dies.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use typebus::{Running, prelude::*};
use typebus_tests::{Does, Job, Journal, caught_up, counts, patiently};

use crate::{
    trial::{Verdict, trials},
    world::{Process, World},
};

trials! { "Order":
    "a key is in order over partitions at concurrency 32, after retries" => keys, caught: [SplitsKeys @ "memory", Swaps @ "kafka", SplitsKeys @ "nats"];
    "two handlers of one topic never run one key at once" [6] => two_handlers, caught: [SplitsKeys @ "memory", SplitsKeys @ "pulsar"];
    "a key is in order when instances join and leave one by one" [4] => joins_and_leaves, caught: [ReleasesEarly @ "memory", ReleasesEarly @ "kafka", Swaps @ "nats"];
    "a key is in order when instances come and go at random" [4] => come_and_go, caught: [Swaps @ "memory", SettlesOnClose @ "rabbitmq"];
    "a key is in order when the only instance is killed" [4] => one_killed, caught: [SettlesEarly @ "memory", Swaps @ "nats"];
    "a key is in order when one of three instances is killed" [4] => three_killed, caught: [SettlesEarly @ "kafka", SplitsKeys @ "rabbitmq"];
    "a key is in order when what runs is lost to a reconnect" [4] => reconnects, caught: [SkipsRedelivered @ "memory", SettlesEarly @ "pulsar"];
    "a rebalance every five seconds does not keep a poison key from its cap" [14] => rebalances, caught: [ForgetsPast @ "memory"];
}

#[handler(concurrency = 32, retry(attempts = 3, backoff = "10ms..40ms"), timeout = "100ms")]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

/// The other event of the jobs' topic, with a handler of its own.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "work.jobs", name = "chore", key = 0.key)]
struct Chore(Job);

#[handler(concurrency = 32, retry(attempts = 3, backoff = "10ms..40ms"), timeout = "100ms")]
async fn help(Chore(job): Chore, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work, help], publishes: [Job, Chore], state: [Journal] } }

/// What was published of each key.
type Expected = BTreeMap<String, Vec<u32>>;

fn note(expected: &mut Expected, job: &Job) {
    expected.entry(job.key.clone().unwrap()).or_default().push(job.number);
}

async fn keys(world: &World) -> Verdict {
    let (random, journal) = (&mut world.random(), Journal::default());
    let process = world.process::<Workshop, _>(journal.clone()).await;
    let running = process.start().await;
    let mut expected = Expected::new();
    for number in 0..120 {
        let does = (0..random.usize(0..4)).map(|_| match random.u8(0..8) {
            0..3 => Does::Fail,
            3..5 => Does::Take(random.u64(1..90)),
            5 => Does::FailFor(random.u64(0..50)),
            6 => Does::Hang,
            _ => Does::Panic,
        });
        let does: Vec<Does> = does.collect();
        let job = Job::of(&format!("key-{}", random.u8(0..9)), number).does(does);
        process.bus.publish(&job).await.unwrap();
        note(&mut expected, &job);
    }
    caught_up(&running).await;
    assert_eq!(journal.assert_key_order(), expected);
    Verdict::Kept
}

async fn two_handlers(world: &World) -> Verdict {
    let journal = Journal::default();
    let process = world.process::<Workshop, _>(journal.clone()).await;
    let mut expected = Expected::new();
    for number in 0..60 {
        let job = Job::of(&format!("key-{}", number % 4), number).does([Does::Take(20)]);
        match (number / 4) % 2 {
            0 => process.bus.publish(&job).await.unwrap(),
            _ => process.bus.publish(&Chore(job.clone())).await.unwrap(),
        };
        note(&mut expected, &job);
    }
    caught_up(&process.start().await).await;
    assert_eq!(journal.assert_key_order(), expected);
    assert!(journal.most_at_once() <= 4);
    Verdict::Kept
}

#[handler(concurrency = 32, retry(attempts = 20, backoff = "10ms..40ms"), timeout = "30s")]
async fn last(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Lasting = "lasting" { handles: [last], publishes: [Job], state: [Journal] } }

async fn join(world: &World, journal: &Journal) -> (Process<Lasting>, Running) {
    let process = world.process::<Lasting, _>(journal.clone()).await;
    let running = process.start().await;
    (process, running)
}

/// That everything of each key ran, never two of a key at once, each last run after the last run of all before it.
fn check(world: &World, journal: &Journal, expected: &Expected) {
    // Where what was settled may come again after a crash, a key may begin anew.
    let lanes = journal.assert_key_order_of_batches();
    assert_eq!(&lanes, expected, "{}", world.name());
}

async fn joins_and_leaves(world: &World) -> Verdict {
    let (journal, mut expected) = (Journal::default(), Expected::new());
    let (process, first) = join(world, &journal).await;
    // It lasts until the last one has come and gone.
    let jobs = world.either(60, 900);
    publish(&process, 0..jobs, &mut expected).await;
    journal.begun(10).await;
    let (_second, second) = join(world, &journal).await;
    journal.begun(journal.beginnings().len() + 10).await;
    let (_third, third) = join(world, &journal).await;
    publish(&process, jobs..2 * jobs, &mut expected).await;
    journal.begun(journal.beginnings().len() + 10).await;
    patiently(first.stop()).await.unwrap();
    journal.begun(journal.beginnings().len() + 10).await;
    patiently(second.stop()).await.unwrap();
    caught_up(&third).await;
    check(world, &journal, &expected);
    Verdict::Kept
}

async fn come_and_go(world: &World) -> Verdict {
    let random = &mut world.random();
    for _ in 0..world.either(4, 1) {
        history(&world.anew(), random).await;
    }
    Verdict::Kept
}

/// Instances come and go at random.
async fn history(world: &World, random: &mut fastrand::Rng) {
    let journal = Journal::default();
    let publisher = world.process::<Lasting, _>(journal.clone()).await;
    let (mut instances, mut expected) = (Vec::new(), Expected::new());
    let mut number = 0;
    for _ in 0..world.either(40, 25) {
        match random.u8(0..10) {
            0..4 => {
                for _ in 0..random.u32(1..12) {
                    let does = match random.u8(0..4) {
                        0 => vec![Does::FailIn(random.u64(1..300)), Does::Take(random.u64(1..200))],
                        1 => vec![Does::Fail],
                        _ => vec![Does::Take(random.u64(1..300))],
                    };
                    let job = Job::of(&format!("key-{}", random.u8(0..8)), number).does(does);
                    publisher.bus.publish(&job).await.unwrap();
                    note(&mut expected, &job);
                    number += 1;
                }
            }
            4..6 => instances.push(join(world, &journal).await),
            6 if !instances.is_empty() => {
                let (_, leaving) = instances.swap_remove(random.usize(0..instances.len()));
                patiently(leaving.stop()).await.unwrap();
            }
            7 if !instances.is_empty() => instances.swap_remove(random.usize(0..instances.len())).1.hurry(),
            _ => tokio::time::sleep(Duration::from_millis(random.u64(0..200))).await,
        }
    }
    let (_process, running) = join(world, &journal).await;
    caught_up(&running).await;
    check(world, &journal, &expected);
}

async fn publish(process: &Process<Lasting>, numbers: std::ops::Range<u32>, expected: &mut Expected) {
    let job = |number: u32| {
        let does = if number.is_multiple_of(5) { vec![Does::FailIn(30)] } else { Vec::new() };
        let does = does.into_iter().chain([Does::Take(u64::from(number % 5) * 40)]);
        Job::of(&format!("key-{}", number % 7), number).does(does.collect::<Vec<_>>())
    };
    // All under way at once, so that there is much to do for a while, however long a server takes to confirm one.
    let jobs: Vec<Job> = numbers.map(job).collect();
    for (job, published) in jobs.iter().zip(process.bus.publish_all(&jobs).await) {
        published.unwrap();
        note(expected, job);
    }
}

async fn one_killed(world: &World) -> Verdict {
    let (journal, mut expected) = (Journal::default(), Expected::new());
    let publisher = world.process::<Lasting, _>(journal.clone()).await;
    for round in 0..2 {
        let instance = join(world, &journal).await;
        publish(&publisher, round * 70..(round + 1) * 70, &mut expected).await;
        journal.begun(journal.beginnings().len() + 25).await;
        instance.0.dies(&instance.1, "work.jobs").await;
    }
    let (_process, running) = join(world, &journal).await;
    caught_up(&running).await;
    check(world, &journal, &expected);
    Verdict::Kept
}

async fn three_killed(world: &World) -> Verdict {
    let (journal, mut expected) = (Journal::default(), Expected::new());
    let publisher = world.process::<Lasting, _>(journal.clone()).await;
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(join(world, &journal).await);
    }
    publish(&publisher, 0..140, &mut expected).await;
    journal.begun(40).await;
    // Whichever of them has something to lose.
    let busy = instances.iter().position(|(_, running)| counts(running).received > counts(running).settled());
    let (process, running) = instances.swap_remove(busy.unwrap());
    process.dies(&running, "work.jobs").await;
    caught_up(&instances[0].1).await;
    check(world, &journal, &expected);
    Verdict::Kept
}

async fn reconnects(world: &World) -> Verdict {
    let (journal, mut expected) = (Journal::default(), Expected::new());
    let (process, running) = join(world, &journal).await;
    publish(&process, 0..100, &mut expected).await;
    for begun in [10, 40, 70] {
        journal.begun(begun).await;
        process.harm.lose();
    }
    caught_up(&running).await;
    check(world, &journal, &expected);
    Verdict::Kept
}

#[handler(retry(attempts = 6, backoff = "3s..3s", jitter = false))]
async fn stubborn(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Stubborn = "stubborn" { handles: [stubborn], publishes: [Job], state: [Journal] } }

async fn rebalances(world: &World) -> Verdict {
    if !world.nature().hands_attempts_over {
        return Verdict::NoTrap;
    }
    let journal = Journal::default();
    let process = world.process::<Stubborn, _>(journal.clone()).await;
    let running = process.start().await;
    process.bus.publish(&Job::of("poison", 1).does([Does::Fail; 50])).await.unwrap();
    process.bus.publish(&Job::of("poison", 2)).await.unwrap();
    let rebalancing = async {
        for _ in 0..world.either(30, 8) {
            tokio::time::sleep(world.either(Duration::from_secs(5), Duration::from_millis(2_500))).await;
            process.harm.revoke();
        }
    };
    tokio::join!(rebalancing, caught_up(&running));
    let attempts: Vec<u32> = journal.beginnings().into_iter().map(|(_, attempt)| attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6, 1]);
    assert_eq!(counts(&running).dead_lettered, 1);
    Verdict::Kept
}
