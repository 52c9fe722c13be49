//! Stopping: what runs may finish, what waits comes again, and nothing takes longer than it may.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    process::Command,
    task::Poll,
    time::Duration,
};

use tokio::time::Instant;
use typebus::{ErrorKind, Running, Tuning, prelude::*, shutdown_signal};
use typebus_tests::{
    Does, Ends, Gate, Job, Journal, Paid, Placed, Seen, Shipped, broker, caught_up, counts, ends, letters,
    patiently, start,
};

#[handler(concurrency = 4, retry(attempts = 3, backoff = "10s..10s"), timeout = none)]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

async fn workshop(url: &str, journal: &Journal) -> (Bus<Workshop>, Running) {
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect(url).await.unwrap();
    let running = bus.start().await.unwrap();
    (bus, running)
}

async fn publish(bus: &Bus<Workshop>, number: u32, does: impl Into<Vec<Does>>) {
    bus.publish(&Job::of(&number.to_string(), number).does(does)).await.unwrap();
}

/// How long a stop takes.
async fn stop(running: &Running) -> Duration {
    let began = Instant::now();
    patiently(running.stop()).await.unwrap();
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_runs_finishes_and_what_waits_comes_again() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, running) = workshop(&url, &journal).await;
    for number in 0..10 {
        publish(&bus, number, [Does::Take(3_000)]).await;
    }
    journal.begun(4).await;
    assert_eq!(stop(&running).await.as_secs(), 3);
    assert_eq!(counts(&running).received, 10);
    assert_eq!(ends(&running), Ends { handled: 4, ..Ends::NONE });

    let (_bus, next) = workshop(&url, &journal).await;
    caught_up(&next).await;
    assert_eq!(counts(&next).received, 6);
    let mut beginnings = journal.beginnings();
    beginnings.sort_unstable();
    assert_eq!(beginnings, (0..10).map(|number| (number, 1)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn with_nothing_running_a_stop_takes_no_time() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, running) = workshop(&url, &journal).await;
    // Four sleep until their next attempt, and one waits behind each.
    for number in 0..4 {
        for _ in 0..2 {
            publish(&bus, number, [Does::FailFor(200_000)]).await;
        }
    }
    journal.begun(4).await;
    assert_eq!(stop(&running).await, Duration::ZERO);
    let (_bus, next) = workshop(&url, &journal).await;
    caught_up(&next).await;
    assert_eq!(counts(&next).received, 8);
}

#[tokio::test(start_paused = true)]
async fn what_fails_during_the_drain_is_given_back_at_once() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, running) = workshop(&url, &journal).await;
    publish(&bus, 0, [Does::FailIn(2_000)]).await;
    publish(&bus, 1, [Does::FailIn(1_000)]).await;
    journal.begun(2).await;
    // Not the whole drain, in which nothing could start any more.
    assert_eq!(stop(&running).await.as_secs(), 2);
    assert_eq!((ends(&running), counts(&running).retried), (Ends::NONE, 0));
    let (_bus, next) = workshop(&url, &journal).await;
    caught_up(&next).await;
    assert_eq!(ends(&next), Ends { handled: 2, ..Ends::NONE });
    // The next instance counts from the beginning.
    let mut beginnings = journal.beginnings();
    beginnings.sort_unstable();
    assert_eq!(beginnings, [(0, 1), (0, 1), (0, 2), (1, 1), (1, 1), (1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_during_the_drain_is_a_dead_letter() {
    let (url, journal) = (broker(), Journal::default());
    let bus = Bus::<Brief>::builder().state(journal.clone()).connect(&url).await.unwrap();
    bus.publish(&Job::of("k", 1).does([Does::FailIn(2_000)])).await.unwrap();
    let running = bus.start().await.unwrap();
    journal.begun(1).await;
    assert_eq!(stop(&running).await.as_secs(), 2);
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    assert_eq!(letters(&bus, "brief").await.len(), 1);
}

#[handler(retry(attempts = 1))]
async fn brief(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Brief = "brief" { handles: [brief], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn what_hangs_is_dropped_at_the_deadline_and_comes_again() {
    for (drain, expected) in [(None, 20), (Some(Duration::from_secs(3)), 3), (Some(Duration::ZERO), 0)] {
        let (url, journal) = (broker(), Journal::default());
        let tuning = Tuning { drain: drain.unwrap_or(Tuning::default().drain), ..Tuning::default() };
        let builder = Bus::<Workshop>::builder().state(journal.clone()).tuning(tuning);
        let bus = builder.connect(&url).await.unwrap();
        let running = bus.start().await.unwrap();
        publish(&bus, 0, [Does::Hang]).await;
        publish(&bus, 1, [Does::Take(1_000)]).await;
        journal.begun(2).await;
        assert_eq!(stop(&running).await.as_secs(), expected);
        let finished = u64::from(expected > 0);
        assert_eq!(ends(&running), Ends { handled: finished, ..Ends::NONE });
        let dropped = journal.marks().iter().filter(|mark| !mark.began).count();
        assert_eq!(dropped, 2, "both futures are gone when the stop is done");
        let (_bus, next) = workshop(&url, &journal).await;
        journal.begun(usize::try_from(4 - finished).unwrap()).await;
        assert_eq!(counts(&next).received, 2 - finished);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hurry_ends_the_drain() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, running) = workshop(&url, &journal).await;
    publish(&bus, 0, [Does::Hang]).await;
    publish(&bus, 1, [Does::Take(1_000)]).await;
    journal.begun(2).await;
    let began = Instant::now();
    let stopped = async { running.stop().await.unwrap() };
    let hurry = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        running.hurry();
    };
    patiently(async { tokio::join!(stopped, hurry) }).await;
    assert_eq!(began.elapsed().as_secs(), 5);
    // What finished before it is settled.
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn a_hurry_stops_if_nobody_has() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, running) = workshop(&url, &journal).await;
    publish(&bus, 0, [Does::Hang]).await;
    journal.begun(1).await;
    let began = Instant::now();
    running.hurry();
    patiently(running.finished()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stop_may_be_asked_for_often_and_at_once_and_is_not_taken_back() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, running) = workshop(&url, &journal).await;
    publish(&bus, 0, [Does::Take(2_000)]).await;
    journal.begun(1).await;
    // The first is dropped after its first poll.
    let mut first = Box::pin(running.stop());
    assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await.is_pending());
    drop(first);
    let (one, two, three) =
        patiently(async { tokio::join!(running.stop(), running.finished(), running.stop()) }).await;
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(stop(&running).await, Duration::ZERO);
    running.hurry();
    patiently(running.finished()).await.unwrap();
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_finished_until_it_is_stopped() {
    let journal = Journal::default();
    let (_bus, running) = workshop(&broker(), &journal).await;
    let early = tokio::time::timeout(Duration::from_secs(1_000), running.finished()).await;
    assert!(early.is_err(), "{early:?}");
}

#[derive(Clone, Default)]
struct Desk {
    gate: Gate,
    seen: Seen<String>,
}

/// Publishes midway and by returning, after the stop has begun.
#[handler]
async fn sell(order: Placed, parcels: Publisher<Shipped>, desk: State<Desk>) -> Result<Paid, Failure> {
    desk.gate.pass().await;
    parcels.publish(&Shipped { number: order.number }).await?;
    desk.seen.push(order.customer);
    Ok(Paid { number: order.number, customer: None })
}

service! { Shop = "shop" { handles: [sell], publishes: [Placed], state: [Desk] } }

#[tokio::test(start_paused = true)]
async fn the_publisher_closes_after_the_handlers() {
    let desk = Desk::default();
    let bus = Bus::<Shop>::builder().state(desk.clone()).connect("memory:").await.unwrap();
    let order = Placed { number: 1, customer: "ann".into() };
    bus.publish(&order).await.unwrap();
    let running = bus.start().await.unwrap();
    desk.gate.crowd(1).await;
    let waiting = running.caught_up();
    let stopped = running.stop();
    let meanwhile = async {
        // While handlers run the program publishes, too.
        bus.publish(&Placed { number: 2, customer: "bob".into() }).await.unwrap();
        desk.gate.open();
    };
    let (waited, stopped, ()) = patiently(async { tokio::join!(waiting, stopped, meanwhile) }).await;
    stopped.unwrap();
    // It had caught up with what there was when it was asked.
    waited.unwrap();
    assert_eq!(desk.seen.all(), ["ann"]);
    let published: Vec<_> = running.stats().published().map(|(topic, n)| (topic.to_owned(), n)).collect();
    for (topic, count) in [("shop.parcels", 1), ("shop.payments", 1), ("shop.orders", 2)] {
        assert!(published.contains(&(topic.to_owned(), count)), "{published:?}");
    }
    let publisher = bus.publisher::<Placed>();
    for late in [bus.publish(&order).await, publisher.publish(&order).await] {
        let error = late.unwrap_err();
        assert_eq!(
            (error.kind(), error.backend()),
            (ErrorKind::Closed, None),
            "the bus itself is closed: {error}"
        );
    }
    for late in bus.publish_all(&[order.clone(), order]).await {
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    }
    assert_eq!(running.caught_up().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_what_will_not_come_any_more_ends_with_the_stop() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, running) = workshop(&url, &journal).await;
    publish(&bus, 0, [Does::Hang]).await;
    journal.begun(1).await;
    let (waited, stopped) = patiently(async { tokio::join!(running.caught_up(), running.stop()) }).await;
    stopped.unwrap();
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn run_until_drains_after_its_signal_and_stops_when_it_is_dropped() {
    let (url, journal) = (broker(), Journal::default());
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect(&url).await.unwrap();
    publish(&bus, 0, [Does::Take(2_000)]).await;
    let began = Instant::now();
    patiently(bus.run_until(journal.begun(1))).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 2);

    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect(&url).await.unwrap();
    publish(&bus, 1, [Does::Take(2_000)]).await;
    let dropped = tokio::time::timeout(Duration::from_secs(1), bus.run_until(pending::<()>())).await;
    assert!(dropped.is_err());
    let (_bus, next) = workshop(&url, &journal).await;
    caught_up(&next).await;
    assert_eq!(journal.beginnings(), [(0, 1), (1, 1)], "the drain went on in the background");
}

#[tokio::test(start_paused = true)]
async fn a_bus_starts_once_in_its_life() {
    let journal = Journal::default();
    let (bus, running) = workshop(&broker(), &journal).await;
    let again = bus.clone().start().await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Config);
    assert!(again.to_string().contains("workshop"), "{again}");
    patiently(running.stop()).await.unwrap();
    assert_eq!(bus.run_until(pending::<()>()).await.unwrap_err().kind(), ErrorKind::Config);
}

#[handler(timeout = none)]
async fn obey(_: Job, mut shutdown: Shutdown, desk: State<Desk>) -> Result<(), Failure> {
    desk.seen.push(format!("requested: {}", shutdown.requested()));
    shutdown.wait().await;
    desk.seen.push(format!("requested: {}", shutdown.requested()));
    desk.gate.pass().await;
    Ok(())
}

service! { Obedient = "obedient" { handles: [obey], publishes: [Job], state: [Desk] } }

#[tokio::test(start_paused = true)]
async fn dropping_what_runs_stops_it_in_the_background() {
    let (url, desk) = (broker(), Desk::default());
    let bus = Bus::<Obedient>::builder().state(desk.clone()).connect(&url).await.unwrap();
    bus.publish(&Job::of("k", 1)).await.unwrap();
    let running = bus.start().await.unwrap();
    desk.seen.reached(1).await;
    drop(running);
    desk.seen.reached(2).await;
    assert_eq!(desk.seen.all(), ["requested: false", "requested: true"]);
    desk.gate.open();
    let other = Bus::<Obedient>::builder().state(desk.clone()).connect(&url).await.unwrap();
    start(&other).await;
    assert_eq!(desk.seen.count(), 2, "it was settled within the drain");
}

fn signal(name: &str) {
    let pid = std::process::id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

/// With the real clock, and real signals; it is the only test that listens to them.
#[tokio::test]
async fn a_second_signal_does_not_wait_for_what_hangs() {
    let test = async {
        let journal = Journal::default();
        let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
        publish(&bus, 0, [Does::Hang]).await;
        let mut first = Box::pin(shutdown_signal());
        // From its first poll on, signals no longer end the process.
        assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await.is_pending());
        let mut run = pin!(bus.run_until(first));
        let began = async { journal.begun(1).await };
        tokio::select! { _ = &mut run => panic!("it ended by itself"), () = began => {} }
        signal("TERM");
        // It drains: what it was asked for a moment ago does not end it.
        let drained = tokio::time::timeout(Duration::from_millis(100), &mut run).await;
        assert!(drained.is_err(), "it did not wait for what hangs");
        signal("INT");
        run.await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(15), test).await.unwrap();
}
