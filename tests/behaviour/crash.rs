//! Processes that die: what becomes of their bus, and what others take over.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{
    ErrorKind, Reason, Running,
    backend::memory::{Memory, MemoryBackend, Profile},
    prelude::*,
    testing::Foreign,
};
use typebus_tests::{
    Does, Gate, Job, Journal, Placed, Seen, broker, caught_up, counts, letters, patiently, start,
};

#[handler(retry(attempts = 3, backoff = "10ms..40ms"))]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

/// A process: its connection, its bus, and the bus at work.
async fn process(memory: &Memory, journal: &Journal) -> (MemoryBackend, Bus<Workshop>, Running) {
    let connection = MemoryBackend::connect(memory).unwrap();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect(connection.clone()).await.unwrap();
    let running = bus.start().await.unwrap();
    (connection, bus, running)
}

fn memory(profile: Option<Profile>) -> Memory {
    let memory = Memory::from_url(&broker()).unwrap();
    profile.into_iter().fold(memory, Memory::profile)
}

async fn publish(bus: &Bus<Workshop>, numbers: std::ops::Range<u32>, does: impl Fn(u32) -> Vec<Does>) {
    for number in numbers {
        bus.publish(&Job::of(&format!("key-{}", number % 7), number).does(does(number))).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_whose_process_died_ends_at_once_and_publishes_nothing() {
    let (memory, journal) = (memory(None), Journal::default());
    let (connection, bus, running) = process(&memory, &journal).await;
    publish(&bus, 0..3, |_| vec![Does::Hang]).await;
    journal.begun(3).await;
    let waiting = running.caught_up();
    connection.kill();
    let began = Instant::now();
    let error = patiently(running.finished()).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Fatal, Duration::ZERO), "{error}");
    assert!(error.to_string().contains("was killed"), "{error}");
    patiently(waiting).await.unwrap_err();
    assert!(journal.marks().iter().filter(|mark| !mark.began).count() == 3, "nothing runs any more");
    let refused = bus.publish(&Job::of("k", 9)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_was_settled_is_not_run_again_where_that_is_durable_at_once() {
    for profile in [None, Some(Profile::RabbitMq), Some(Profile::Pulsar)] {
        let (memory, journal) = (memory(profile), Journal::default());
        let (dying, bus, killed) = process(&memory, &journal).await;
        publish(&bus, 0..20, |number| if number == 0 { vec![Does::Hang] } else { Vec::new() }).await;
        journal.begun(18).await;
        // Those of other keys are done; those of the stuck one wait.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(counts(&killed).handled, 17, "{profile:?}");
        dying.kill();
        let (_, _, living) = process(&memory, &journal).await;
        journal.begun(19).await;
        let beginnings = journal.beginnings();
        assert_eq!(
            beginnings.last(),
            Some(&(0, 1)),
            "{profile:?}: only the one that ran, in the first place"
        );
        assert_eq!(beginnings.len(), 19);
        drop(living);
    }
}

#[tokio::test(start_paused = true)]
async fn kafka_repeats_what_was_settled_since_the_last_commit() {
    for (pause, repeats) in [(199, 10), (200, 0)] {
        let (memory, journal) = (memory(Some(Profile::Kafka)), Journal::default());
        let (dying, bus, killed) = process(&memory, &journal).await;
        publish(&bus, 0..10, |_| Vec::new()).await;
        caught_up(&killed).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        dying.kill();
        let (_, _, living) = process(&memory, &journal).await;
        caught_up(&living).await;
        assert_eq!(journal.beginnings().len(), 10 + repeats, "killed after {pause} ms");
    }
}

#[handler(broadcast)]
async fn everywhere(order: Placed, seen: State<Orders>) {
    seen.push(order.number);
}

type Orders = Seen<u64>;

service! { Caches = "caches" { handles: [everywhere], publishes: [Placed], state: [Orders] } }

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_every_instance_and_a_dead_one_leaves_nothing_after_ten_minutes() {
    let memory = memory(None).partitions(1).capacity(3).full_after(Duration::from_secs(3_600));
    let mut instances = Vec::new();
    for _ in 0..2 {
        let (connection, seen) = (MemoryBackend::connect(&memory).unwrap(), Orders::default());
        let bus = Bus::<Caches>::builder().state(seen.clone()).connect(connection.clone()).await.unwrap();
        let running = bus.start().await.unwrap();
        instances.push((connection, bus, running, seen));
    }
    let order = |number| Placed { number, customer: "ann".into() };
    for number in 0..3 {
        instances[0].1.publish(&order(number)).await.unwrap();
    }
    for (_, _, running, seen) in &instances {
        caught_up(running).await;
        assert_eq!(seen.all(), [0, 1, 2]);
    }
    // What a dead instance has not seen is kept for it, for a while.
    instances[1].0.kill();
    patiently(instances[1].2.finished()).await.unwrap_err();
    let (bus, seen) = (instances[0].1.clone(), instances[0].3.clone());
    for number in 3..6 {
        bus.publish(&order(number)).await.unwrap();
    }
    let began = Instant::now();
    bus.publish(&order(6)).await.unwrap();
    let waited = began.elapsed().as_secs();
    assert!((590..=600).contains(&waited), "it waited for {waited} s");
    assert_eq!(seen.reached(7).await, (0..7).collect::<Vec<_>>());
    assert_eq!(instances[1].3.all(), [0, 1, 2]);
}

#[handler(concurrency = 1)]
async fn slow(order: Placed, gate: State<Gate>, seen: State<Orders>) {
    seen.push(order.number);
    gate.pass().await;
}

service! { Slow = "slow" { handles: [slow], publishes: [Placed], state: [Gate, Orders] } }

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_lost_runs_again_and_what_it_did_before_counts_for_nothing() {
    let (memory, gate, seen) = (memory(None), Gate::default(), Orders::default());
    let connection = MemoryBackend::connect(&memory).unwrap();
    let state = (gate.clone(), seen.clone());
    let bus = Bus::<Slow>::builder().state(state).connect(connection.clone()).await.unwrap();
    let running = bus.start().await.unwrap();
    bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    gate.crowd(1).await;
    connection.faults().lose();
    seen.reached(2).await;
    gate.crowd(1).await;
    gate.open();
    caught_up(&running).await;
    assert_eq!((seen.all(), counts(&running).handled), (vec![1, 1], 1));
    // Asked for, it is finished first.
    connection.faults().revoke();
    bus.publish(&Placed { number: 2, customer: "ann".into() }).await.unwrap();
    caught_up(&running).await;
    assert_eq!(seen.all(), [1, 1, 2]);
}

/// What a process holds that dies of order 7.
#[derive(Clone)]
struct Mortal {
    connection: MemoryBackend,
    gate: Gate,
    seen: Orders,
}

#[handler]
async fn brittle(order: Placed, mortal: State<Mortal>) {
    match order.number {
        7 => {
            mortal.connection.kill();
            std::future::pending::<()>().await;
        }
        3 => mortal.gate.pass().await,
        _ => {}
    }
    mortal.seen.push(order.number);
}

service! { Brittle = "brittle" { handles: [brittle], publishes: [Placed], state: [Mortal] } }

#[tokio::test(start_paused = true)]
async fn a_suspect_that_is_settled_does_not_answer_for_what_the_next_one_does() {
    for profile in [None, Some(Profile::Kafka), Some(Profile::RabbitMq), Some(Profile::Nats)] {
        let (memory, gate, seen) = (memory(profile), Gate::default(), Orders::default());
        let connect = async || {
            let connection = MemoryBackend::connect(&memory).unwrap();
            let mortal = Mortal { connection: connection.clone(), gate: gate.clone(), seen: seen.clone() };
            (Bus::<Brittle>::builder().state(mortal).connect(connection.clone()).await.unwrap(), connection)
        };
        // Of the third nobody knows whether the first process died of it.
        let (bus, connection) = connect().await;
        let running = bus.start().await.unwrap();
        bus.publish(&Placed { number: 3, customer: "ann".into() }).await.unwrap();
        gate.crowd(1).await;
        connection.kill();
        patiently(running.finished()).await.unwrap_err();
        gate.open();
        let (publisher, _connection) = connect().await;
        publisher.publish(&Placed { number: 7, customer: "bob".into() }).await.unwrap();
        for _ in 0..3 {
            let (bus, _connection) = connect().await;
            let running = bus.start().await.unwrap();
            patiently(running.finished()).await.unwrap_err();
        }
        let (bus, _connection) = connect().await;
        let _running = start(&bus).await;
        let [letter] = &letters(&bus, "brittle").await[..] else {
            panic!("{profile:?}: not one dead letter")
        };
        assert_eq!((letter.reason(), letter.metadata().key()), (Reason::Crashed, Some("bob")), "{profile:?}");
        assert!(seen.all().contains(&3), "{profile:?}");
    }
}

/// As brittle, but order 3 is not done with when it survived: it fails, and sleeps.
#[handler(retry(attempts = 6, backoff = "10s..20s"))]
async fn weary(order: Placed, mortal: State<Mortal>) -> Result<(), Failure> {
    match order.number {
        7 => {
            mortal.connection.kill();
            std::future::pending::<()>().await;
        }
        3 if mortal.gate.waiting() == 0 && mortal.seen.count() == 0 => mortal.gate.pass().await,
        3 if mortal.seen.count() < 4 => {
            mortal.seen.push(3);
            return Err(Failure::retry("not yet"));
        }
        _ => {}
    }
    mortal.seen.push(order.number);
    Ok(())
}

service! { Weary = "weary" { handles: [weary], publishes: [Placed], state: [Mortal] } }

#[tokio::test(start_paused = true)]
async fn a_suspect_that_survived_and_sleeps_does_not_answer_for_what_the_next_one_does() {
    for profile in [None, Some(Profile::Kafka), Some(Profile::RabbitMq), Some(Profile::Nats)] {
        let (memory, gate, seen) = (memory(profile), Gate::default(), Orders::default());
        let connect = async || {
            let connection = MemoryBackend::connect(&memory).unwrap();
            let mortal = Mortal { connection: connection.clone(), gate: gate.clone(), seen: seen.clone() };
            (Bus::<Weary>::builder().state(mortal).connect(connection.clone()).await.unwrap(), connection)
        };
        let (bus, connection) = connect().await;
        let running = bus.start().await.unwrap();
        bus.publish(&Placed { number: 3, customer: "ann".into() }).await.unwrap();
        gate.crowd(1).await;
        connection.kill();
        patiently(running.finished()).await.unwrap_err();
        seen.push(0);
        let (publisher, _connection) = connect().await;
        publisher.publish(&Placed { number: 7, customer: "bob".into() }).await.unwrap();
        for _ in 0..3 {
            let (bus, _connection) = connect().await;
            let running = bus.start().await.unwrap();
            patiently(running.finished()).await.unwrap_err();
        }
        let (bus, _connection) = connect().await;
        let _running = start(&bus).await;
        let [letter] = &letters(&bus, "weary").await[..] else { panic!("{profile:?}: not one dead letter") };
        assert_eq!((letter.reason(), letter.metadata().key()), (Reason::Crashed, Some("bob")), "{profile:?}");
        assert_eq!(seen.all().last(), Some(&3), "{profile:?}: it was done in the end");
    }
}

#[handler(batch(max = 4, wait = "20ms"))]
async fn bundle(orders: Batch<Placed>, gate: State<Gate>, seen: State<Orders>) {
    gate.pass().await;
    orders.into_iter().for_each(|order| seen.push(order.number));
}

service! { Bundler = "bundler" { handles: [bundle], publishes: [Placed], state: [Gate, Orders] } }

#[tokio::test(start_paused = true)]
async fn a_suspect_that_no_batch_can_read_holds_nothing_up() {
    let (memory, gate, seen) = (memory(None).partitions(1), Gate::default(), Orders::default());
    let connect = async || {
        let connection = MemoryBackend::connect(&memory).unwrap();
        let builder = Bus::<Bundler>::builder().state((gate.clone(), seen.clone()));
        (builder.connect(connection.clone()).await.unwrap(), connection)
    };
    let (bus, connection) = connect().await;
    let foreign = Foreign::connect(MemoryBackend::connect(&memory).unwrap()).unwrap();
    let running = bus.start().await.unwrap();
    bus.publish(&Placed { number: 1, customer: "ann".into() }).await.unwrap();
    gate.crowd(1).await;
    // Of one key, so that the one that cannot be read waits behind the other, and is held when the process dies.
    foreign.message("shop.orders").key("ann").header("ce_id", "bad").payload("no").send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(counts(&running).received, 2);
    connection.kill();
    patiently(running.finished()).await.unwrap_err();
    gate.open();
    let (bus, _connection) = connect().await;
    let running = bus.start().await.unwrap();
    bus.publish(&Placed { number: 2, customer: "ann".into() }).await.unwrap();
    bus.publish(&Placed { number: 3, customer: "bob".into() }).await.unwrap();
    caught_up(&running).await;
    assert_eq!(seen.sorted(), [1, 2, 3]);
}
