//! The breaker: a dependency that is down for long costs no dead letters.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::{Instant, advance};
use typebus::{Reason, prelude::*};
use typebus_tests::{Ends, Job, broker, caught_up, counts, ends, letters, patiently};

/// Something that handlers need, and that may be down.
#[derive(Clone, Default)]
struct Gateway {
    down: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
    running: Arc<AtomicU32>,
    /// The most calls at once while it was down.
    most: Arc<AtomicU32>,
}

impl Gateway {
    async fn call(&self) -> Result<(), Failure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) { Err(Failure::retry("the gateway is down")) } else { Ok(()) }
    }
}

#[handler(retry(attempts = 3, backoff = "100ms..10s"), breaker(after = 5), concurrency = 4)]
async fn charge(_: Job, gateway: State<Gateway>) -> Result<(), Failure> {
    gateway.call().await
}

service! { Charging = "charging" { handles: [charge], publishes: [Job], state: [Gateway] } }

async fn publish<S: typebus::Service>(bus: &Bus<S>, numbers: std::ops::Range<u32>)
where
    Job: typebus::PublishedBy<S>,
{
    for number in numbers {
        bus.publish(&Job::of(&number.to_string(), number)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_dead_letters_less_than_the_breakers_number_and_heals_by_itself() {
    let gateway = Gateway::default();
    gateway.down.store(true, Ordering::Relaxed);
    let bus = Bus::<Charging>::builder().state(gateway.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    publish(&bus, 0..100).await;
    while running.ready().is_ready() {
        advance(Duration::from_millis(20)).await;
    }
    assert_eq!(ends(&running), Ends { dead_lettered: 4, ..Ends::NONE }, "the fifth opened it");
    let [reason] = running.ready().reasons().to_vec().try_into().unwrap();
    assert!(reason.contains("charging on work.jobs") && reason.contains("`charge`"), "{reason}");
    assert!(reason.contains("5 deliveries"), "{reason}");
    assert!(running.health().is_healthy());

    // What ran when it opened ends; from then on there is one call at a time, and ever fewer.
    advance(Duration::from_secs(5)).await;
    let calls = gateway.calls.load(Ordering::Relaxed);
    gateway.most.store(0, Ordering::Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(600) {
        advance(Duration::from_millis(50)).await;
    }
    let probes = gateway.calls.load(Ordering::Relaxed) - calls;
    assert_eq!(gateway.most.load(Ordering::Relaxed), 1);
    assert!((60..=130).contains(&probes), "{probes} probes in ten minutes, 5 s to 10 s apart");
    assert_eq!(ends(&running), Ends { dead_lettered: 4, ..Ends::NONE }, "nothing is given up meanwhile");

    gateway.down.store(false, Ordering::Relaxed);
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 96, dead_lettered: 4, ..Ends::NONE });
    assert!(running.ready().is_ready(), "{}", running.ready());
    assert!(letters(&bus, "charging").await.iter().all(|letter| letter.reason() == Reason::Failed));
}

#[handler(retry(attempts = 1), breaker(after = 3), concurrency = 1)]
async fn picky(job: Job) -> Result<(), Failure> {
    match job.number {
        0..10 => Err(Failure::retry("never works")),
        number if number % 2 == 0 => Err(Failure::dead_letter("is not wanted")),
        _ => Ok(()),
    }
}

service! { Picky = "picky" { handles: [picky], publishes: [Job] } }

#[tokio::test(start_paused = true)]
async fn deliveries_that_can_never_work_do_not_keep_it_open() {
    let bus = Bus::<Picky>::builder().connect("memory:?partitions=1").await.unwrap();
    // Two at a time never work, with successes and verdicts between them: it never opens.
    for rest in 0..5 {
        publish(&bus, rest * 2..rest * 2 + 2).await;
        publish(&bus, 10 + rest..11 + rest).await;
    }
    let running = bus.start().await.unwrap();
    caught_up(&running).await;
    assert!(running.ready().is_ready());
    assert_eq!(ends(&running), Ends { handled: 2, dead_lettered: 13, ..Ends::NONE });

    // Three in a row open it; probes go round until one that works closes it.
    publish(&bus, 0..3).await;
    while running.ready().is_ready() {
        advance(Duration::from_millis(20)).await;
    }
    publish(&bus, 11..12).await;
    caught_up(&running).await;
    assert!(running.ready().is_ready());
    assert_eq!(counts(&running).handled, 3);
    assert_eq!(counts(&running).dead_lettered, 16, "what cannot work is given up once it is closed again");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_an_open_breaker_and_nothing_is_lost() {
    let (url, gateway) = (broker(), Gateway::default());
    gateway.down.store(true, Ordering::Relaxed);
    let bus = Bus::<Charging>::builder().state(gateway.clone()).connect(&url).await.unwrap();
    let running = bus.start().await.unwrap();
    publish(&bus, 0..20).await;
    while running.ready().is_ready() {
        advance(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    patiently(running.stop()).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(11), "only what ran was waited for");
    let lost = ends(&running);
    assert_eq!(lost, Ends { dead_lettered: 4, ..Ends::NONE });

    gateway.down.store(false, Ordering::Relaxed);
    let bus = Bus::<Charging>::builder().state(gateway).connect(&url).await.unwrap();
    let running = bus.start().await.unwrap();
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 16, ..Ends::NONE });
}
