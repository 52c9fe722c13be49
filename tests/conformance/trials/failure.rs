//! Failure: what fails is tried again, given up in a dead letter, and never stands in the way of anything else.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{ErrorKind, Reason, Tuning, prelude::*};
use typebus_tests::{
    Does, Ends, Gate, Job, Journal, Placed, Seen, caught_up, counts, ends, letters, patiently,
};

use crate::{
    slip::Slip,
    trial::{Verdict, trials},
    world::World,
};

trials! { "Failure":
    "what fails twice succeeds the third time, and a delay is a floor" => delays, caught: [RetriesAtOnce @ "memory"];
    "the cap holds, and the dead letter has bytes, headers, key and reason" => letter, caught: [DropsHeaders @ "memory", LosesTenth @ "rabbitmq"];
    "a header or payload that is no text: one dead letter, and its key goes on" [2] => poison, caught: [HangsOnPoison @ "memory", HangsOnPoison @ "nats"];
    "a failing handler on a pattern: one dead letter, none consumed again" [3] => pattern, caught: [ExposesLetters @ "memory"];
    "dead letters refused for 60 s: run once, nothing settled, heals" [10] => unwritable, caught: [ConfirmsLettersEarly @ "memory", ConfirmsLettersEarly @ "kafka", SettlesEarly @ "pulsar"];
    "dead letter, replay and dead letter again within the window of ids" [1] => redrive, caught: [DedupesLetters @ "nats"];
    "a handler slower than its lease is not run by another meanwhile" => lease, caught: [NeglectsLease @ "nats", NeglectsLease @ "kafka"];
    "an instance that stood still: others take over, and its late settlements do no harm" [25] => stopped, caught: [SettlesEarly @ "nats"];
    "what kills its process three times is a dead letter, innocents are not" [9] => crashes, caught: [ForgetsPast @ "memory", ForgetsPast @ "rabbitmq"];
    "sixteen keys asleep at concurrency 16: a seventeenth runs" [16] => asleep, caught: [SleepsInHandler @ "memory"];
}

const SECOND: Duration = Duration::from_secs(1);

fn fail_for(delay: Duration) -> Does {
    Does::FailFor(delay.as_millis().try_into().unwrap())
}

/// What a handler is to do, and what it did.
#[derive(Clone, Default)]
struct Desk {
    journal: Journal,
    /// It waits for its next attempt itself, and holds its place meanwhile.
    sleeps: bool,
    /// It tries again at once.
    hurries: bool,
}

#[handler(concurrency = 16, retry(attempts = 3, backoff = "1s..10s"))]
async fn work(job: Job, attempt: Attempt, desk: State<Desk>) -> Result<(), Failure> {
    let mut done = desk.journal.run(&job, attempt.number()).await;
    if desk.sleeps && done.is_err() {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    if desk.hurries {
        for number in attempt.number() + 1..=attempt.max() {
            if done.is_err() {
                done = desk.journal.run(&job, number).await;
            }
        }
    }
    done
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Desk] } }

impl Desk {
    fn of(world: &World) -> Self {
        let (sleeps, hurries) = (world.slips(Slip::SleepsInHandler), world.slips(Slip::RetriesAtOnce));
        Self { sleeps, hurries, ..Self::default() }
    }
}

async fn delays(world: &World) -> Verdict {
    let desk = Desk::of(world);
    let process = world.process::<Workshop, _>(desk.clone()).await;
    process.bus.publish(&Job::of("k", 1).does([Does::Fail, Does::Fail])).await.unwrap();
    let long = world.either(20 * SECOND, 3 * SECOND);
    process.bus.publish(&Job::of("l", 2).does([fail_for(long)])).await.unwrap();
    let running = process.start().await;
    caught_up(&running).await;
    let floors = [Duration::from_millis(500), Duration::from_secs(1)];
    let delays = desk.journal.delays(1);
    assert!(
        delays.len() == 2 && delays.iter().zip(floors).all(|(delay, floor)| *delay >= floor),
        "{delays:?}"
    );
    assert!(desk.journal.delays(2)[0] >= long);
    assert_eq!(ends(&running), Ends { handled: 2, ..Ends::NONE });
    Verdict::Kept
}

async fn letter(world: &World) -> Verdict {
    let desk = Desk::of(world);
    let process = world.process::<Workshop, _>(desk.clone()).await;
    for number in 0..10 {
        let job = Job::of(&format!("key-{number}"), number).does([Does::Fail; 9]);
        process.bus.publish(&job).header("channel", "Büro").await.unwrap();
    }
    let running = process.start().await;
    caught_up(&running).await;
    let mut letters = letters(&process.bus, "workshop").await;
    assert_eq!((letters.len(), desk.journal.beginnings().len()), (10, 30));
    letters.sort_by_key(|letter| letter.metadata().key().map(str::to_owned));
    for (number, letter) in (0..).zip(&letters) {
        let (job, key) =
            (Job::of(&format!("key-{number}"), number).does([Does::Fail; 9]), format!("key-{number}"));
        assert_eq!(letter.payload(), serde_json::to_vec(&job).unwrap());
        assert_eq!((letter.reason(), letter.error(), letter.attempts()), (Reason::Failed, "failed", 3));
        assert_eq!((letter.handler(), letter.group()), ("work", "workshop"));
        assert_eq!(letter.origin().topic, "work.jobs");
        let metadata = letter.metadata();
        assert_eq!((metadata.key(), metadata.name()), (Some(key.as_str()), "job"));
        assert_eq!(metadata.header("channel"), Some("Büro"));
    }
    Verdict::Kept
}

async fn poison(world: &World) -> Verdict {
    let desk = Desk::of(world);
    let process = world.process::<Workshop, _>(desk.clone()).await;
    let running = process.start().await;
    let (foreign, nature) = (world.foreign(), world.nature());
    let good = serde_json::to_vec(&Job::of("k", 7)).unwrap();
    let mut bad = 0;
    let poisons: [(&[u8], &[u8], &[u8]); 4] = [
        (b"x", b"\xff\xfe", &good),
        (b"\xff\xfe", b"x", &good),
        (b"x", b"y", b"\xff\xfe"),
        (b"ce_id", b"\xff\xfe", &good),
    ];
    for (name, value, payload) in poisons {
        let message = foreign.message("work.jobs").key("k").header("ce_type", "job.v1");
        match message.header(name, value).payload(payload).send().await {
            // A value that is not read harms nobody.
            Ok(_) => bad += u64::from(name != b"x" || payload != good),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{error}");
                assert!(!nature.any_bytes);
            }
        }
    }
    let began = Instant::now();
    process.bus.publish(&Job::of("k", 8)).await.unwrap();
    caught_up(&running).await;
    assert!(began.elapsed() < Duration::from_secs(30));
    let GroupEnds(handled, dead) = GroupEnds::of(&running);
    assert_eq!((dead, desk.journal.beginnings().last()), (bad, Some(&(8, 1))));
    assert!(handled >= 1 && bad >= 1);
    assert_eq!(letters(&process.bus, "workshop").await.len() as u64, bad);
    Verdict::Kept
}

struct GroupEnds(u64, u64);

impl GroupEnds {
    fn of(running: &typebus::Running) -> Self {
        let Ends { handled, dead_lettered, .. } = ends(running);
        Self(handled, dead_lettered)
    }
}

#[handler(topic = ">", group = "all", retry(attempts = 1))]
async fn all(event: AnyEvent, seen: State<Seen<String>>) -> Result<(), Failure> {
    seen.push(event.metadata().topic().to_owned());
    Err(Failure::retry("no"))
}

#[handler(topic = "shop.>", group = "all", retry(attempts = 1))]
async fn all_of_shop(event: AnyEvent, seen: State<Seen<String>>) -> Result<(), Failure> {
    seen.push(event.metadata().topic().to_owned());
    Err(Failure::retry("no"))
}

service! { All = "all" { handles: [all], publishes: [Placed], state: [Seen<String>] } }
service! { AllOfShop = "all" { handles: [all_of_shop], publishes: [Placed], state: [Seen<String>] } }

async fn pattern(world: &World) -> Verdict {
    let (seen, order) = (Seen::default(), Placed { number: 1, customer: "ann".into() });
    if !world.nature().leading_wildcards {
        let error = Bus::<All>::builder().state(seen.clone()).connect(world.backend()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Topology, "{error}");
        // Within a stream it is the same.
        let process = world.process::<AllOfShop, _>(seen.clone()).await;
        let running = process.start().await;
        process.bus.publish(&order).await.unwrap();
        caught_up(&running).await;
        assert_eq!(
            (seen.all(), letters(&process.bus, "all").await.len()),
            (vec!["shop.orders".to_owned()], 1)
        );
        return Verdict::Absent;
    }
    let process = world.process::<All, _>(seen.clone()).await;
    let running = process.start().await;
    process.bus.publish(&order).await.unwrap();
    for _ in 0..3 {
        caught_up(&running).await;
        tokio::time::sleep(world.either(10 * SECOND, SECOND)).await;
    }
    assert_eq!((seen.all(), letters(&process.bus, "all").await.len()), (vec!["shop.orders".to_owned()], 1));
    Verdict::Kept
}

#[handler(retry(attempts = 1))]
async fn doomed(order: Placed, seen: State<Seen<u64>>) -> Result<(), Failure> {
    seen.push(order.number);
    Err(Failure::dead_letter("hopeless"))
}

service! { Doomed = "doomed" { handles: [doomed], publishes: [Placed], state: [Seen<u64>] } }

async fn unwritable(world: &World) -> Verdict {
    let seen = Seen::default();
    let unwritable = world.either(30 * SECOND, 2 * SECOND);
    let tuning = Tuning { unwritable, ..Tuning::default() };
    let process = world.tuned::<Doomed, _>(seen.clone(), tuning).await;
    process.bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    // It is written again after 2 s, then 4, 8, .. up to 30, and jitter takes at most half of each.
    process.harm.fail("dead.doomed", world.either(9, 3));
    let running = process.start().await;
    let began = Instant::now();
    seen.reached(1).await;
    tokio::time::sleep(world.either(40 * SECOND, 4 * SECOND)).await;
    assert!(!running.ready().is_ready(), "not ready after {unwritable:?}");
    tokio::time::sleep(world.either(20 * SECOND, 2 * SECOND)).await;
    assert_eq!((seen.count(), world.shared().settled().len()), (1, 0));
    assert!(letters(&process.bus, "doomed").await.is_empty());
    caught_up(&running).await;
    assert!(began.elapsed() >= world.either(60 * SECOND, 7 * SECOND) && running.ready().is_ready());
    assert_eq!((seen.count(), world.shared().settled().len()), (1, 1));
    assert_eq!(letters(&process.bus, "doomed").await.len(), 1);
    Verdict::Kept
}

async fn redrive(world: &World) -> Verdict {
    let seen = Seen::default();
    let process = world.process::<Doomed, _>(seen.clone()).await;
    let receipt = process.bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    let running = process.start().await;
    caught_up(&running).await;
    let began = Instant::now();
    for redriven in 0..3 {
        let [letter] = &letters(&process.bus, "doomed").await[..] else { panic!("not one dead letter") };
        assert_eq!((letter.metadata().id(), letter.redriven()), (receipt.id(), redriven));
        assert_eq!(seen.count(), redriven as usize + 1);
        process.bus.dead_letters("doomed").replay(letter).await.unwrap();
        caught_up(&running).await;
    }
    assert_eq!(letters(&process.bus, "doomed").await.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(120));
    Verdict::Kept
}

/// A handler that takes its time.
#[derive(Clone)]
struct Slow {
    takes: Duration,
    seen: Seen<u64>,
}

impl Slow {
    /// Longer than any lease.
    fn of(world: &World) -> Self {
        let lease = world.nature().lease.unwrap_or(SECOND);
        Self { takes: world.either(75 * SECOND, lease * 5 / 2), seen: Seen::default() }
    }
}

#[handler(timeout = "80s", concurrency = 4)]
async fn slowly(order: Placed, slow: State<Slow>) {
    slow.seen.push(order.number);
    tokio::time::sleep(slow.takes).await;
}

service! { Slowly = "slowly" { handles: [slowly], publishes: [Placed], state: [Slow] } }

async fn lease(world: &World) -> Verdict {
    let (slow, mut instances) = (Slow::of(world), Vec::new());
    for _ in 0..2 {
        let process = world.process::<Slowly, _>(slow.clone()).await;
        instances.push((process.start().await, process));
    }
    let all: Vec<u64> = (0..world.either(12, 3)).collect();
    for number in &all {
        instances[0].1.bus.publish(&Placed { number: *number, customer: "ann".into() }).await.unwrap();
    }
    assert_eq!(slow.seen.reached(all.len()).await, all);
    caught_up(&instances[1].0).await;
    assert_eq!(slow.seen.count(), all.len());
    Verdict::Kept
}

async fn stopped(world: &World) -> Verdict {
    let Some(lease) = world.nature().lease else { return Verdict::NoTrap };
    if world.is_real() {
        return Verdict::Elsewhere(
            "a process of its own that SIGSTOP stops; within this one the client renews its leases",
        );
    }
    let (slow, seen) = (Slow::of(world), Seen::default());
    let slow = Slow { seen: seen.clone(), ..slow };
    let first = world.process::<Slowly, _>(slow.clone()).await;
    let stopped = first.start().await;
    for number in 0..6 {
        first.bus.publish(&Placed { number, customer: format!("customer-{number}") }).await.unwrap();
    }
    seen.reached(1).await;
    first.harm.stall();
    let second = world.process::<Slowly, _>(slow.clone()).await;
    let running = second.start().await;
    tokio::time::sleep(lease + Duration::from_secs(5)).await;
    assert!(counts(&running).received > 0, "it took over");
    first.harm.resume();
    caught_up(&running).await;
    let mut all = seen.sorted();
    let overlap = all.len() - 6;
    all.dedup();
    assert_eq!(all, (0..6).collect::<Vec<_>>());
    assert!(overlap >= 1);
    for running in [&stopped, &running] {
        patiently(running.stop()).await.unwrap();
    }
    let handled = counts(&stopped).handled + counts(&running).handled;
    assert!(handled >= 6, "{:?} {:?}", counts(&stopped), counts(&running));
    Verdict::Kept
}

#[handler]
async fn fragile(order: Placed, gate: State<Gate>, seen: State<Seen<u64>>) {
    if order.number == 7 {
        gate.pass().await;
    }
    seen.push(order.number);
}

service! { Fragile = "fragile" { handles: [fragile], publishes: [Placed], state: [Gate, Seen<u64>] } }

async fn crashes(world: &World) -> Verdict {
    let (gate, seen) = (Gate::default(), Seen::default());
    let publisher = world.process::<Fragile, _>((gate.clone(), seen.clone())).await;
    for number in 0..20 {
        publisher.bus.publish(&Placed { number, customer: format!("customer-{number}") }).await.unwrap();
    }
    for _ in 0..3 {
        let dying = world.process::<Fragile, _>((gate.clone(), seen.clone())).await;
        let running = dying.start().await;
        gate.crowd(1).await;
        dying.dies(&running, "shop.orders").await;
        gate.crowd(0).await;
    }
    let last = world.process::<Fragile, _>((gate.clone(), seen.clone())).await;
    let running = last.start().await;
    let verdict = if world.capabilities().crash_guard {
        caught_up(&running).await;
        let [letter] = &letters(&last.bus, "fragile").await[..] else { panic!("not one dead letter") };
        assert_eq!(letter.reason(), Reason::Crashed);
        Verdict::Kept
    } else {
        // Without a guard it comes for ever, and holds nothing else up.
        gate.crowd(1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(letters(&last.bus, "fragile").await.is_empty());
        Verdict::Absent
    };
    let mut handled = seen.sorted();
    handled.dedup();
    assert_eq!(handled, (0..20).filter(|number| *number != 7).collect::<Vec<_>>());
    verdict
}

async fn asleep(world: &World) -> Verdict {
    let desk = Desk::of(world);
    let process = world.process::<Workshop, _>(desk.clone()).await;
    let running = process.start().await;
    let sleeps = world.either(60 * SECOND, 5 * SECOND);
    for number in 0..16 {
        let job = Job::of(&format!("key-{number}"), number).does([fail_for(sleeps)]);
        process.bus.publish(&job).await.unwrap();
    }
    desk.journal.begun(16).await;
    let began = Instant::now();
    process.bus.publish(&Job::of("key-16", 16)).await.unwrap();
    desk.journal.begun(17).await;
    assert!(began.elapsed() < world.either(SECOND, 2 * SECOND), "it waited for {:?}", began.elapsed());
    caught_up(&running).await;
    assert_eq!(counts(&running).handled, 17);
    Verdict::Kept
}
