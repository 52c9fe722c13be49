//! Retries: when the next attempt comes, how many there are, and what goes on meanwhile.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{Reason, prelude::*};
use typebus_tests::{Does, Ends, Job, Journal, caught_up, counts, ends, letters, start};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// tokio's timers have a resolution of a millisecond, and round up.
fn assert_between(what: Duration, least: Duration, most: Duration) {
    assert!(least <= what && what <= most + ms(1), "{what:?} is not between {least:?} and {most:?}");
}

#[handler(retry(attempts = 9, backoff = "100ms..2s"))]
async fn jittered(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Jitter = "jitter" { handles: [jittered], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn delays_double_up_to_the_longest_and_jitter_takes_at_most_half() {
    let journal = Journal::default();
    let bus = Bus::<Jitter>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    for number in 0..60 {
        bus.publish(&Job::of(&number.to_string(), number).does([Does::Fail; 8])).await.unwrap();
    }
    let running = start(&bus).await;
    let mut shortened = 0;
    for number in 0..60 {
        let delays = journal.delays(number);
        assert_eq!(delays.len(), 8);
        for (nth, delay) in (0..).zip(delays) {
            let full = ms(100 * 2_u64.pow(nth)).min(ms(2_000));
            assert_between(delay, full / 2, full);
            shortened += u32::from(delay < full * 9 / 10);
        }
    }
    // Of 480 delays, drawn evenly from the half, four of five are shorter than nine tenths.
    assert!(shortened > 300, "{shortened} of 480 were shortened");
    assert_eq!(ends(&running), Ends { handled: 60, ..Ends::NONE });
    assert_eq!(counts(&running).retried, 480);
}

#[handler(retry(attempts = 7, backoff = "50ms..400ms", jitter = false))]
async fn exact(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    assert_eq!((attempt.max(), attempt.is_last()), (7, attempt.number() == 7));
    journal.run(&job, attempt.number()).await
}

service! { Exact = "exact" { handles: [exact], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn without_jitter_delays_are_exact() {
    let journal = Journal::default();
    let bus = Bus::<Exact>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("k", 1).does([Does::Fail; 6])).await.unwrap();
    start(&bus).await;
    for (delay, full) in journal.delays(1).into_iter().zip([50, 100, 200, 400, 400, 400]) {
        assert_between(delay, ms(full), ms(full));
    }
    assert_eq!(journal.delays(1).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_errors_own_delay_is_exact_and_at_most_five_minutes() {
    let journal = Journal::default();
    let bus = Bus::<Jitter>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    let asked = [0, 7, 5_000, 299_999, 300_001, 3_600_000];
    let does: Vec<_> = asked.into_iter().map(Does::FailFor).collect();
    bus.publish(&Job::of("k", 1).does(does)).await.unwrap();
    let running = start(&bus).await;
    let delays = journal.delays(1);
    assert_eq!(delays.len(), asked.len());
    for (delay, asked) in delays.into_iter().zip(asked) {
        let expected = ms(asked.min(300_000));
        assert_between(delay, expected, expected);
    }
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn the_cap_on_attempts_holds_and_every_kind_of_failure_counts() {
    let journal = Journal::default();
    let bus = Bus::<Brief>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    let does = [Does::Fail, Does::Panic, Does::Hang, Does::FailFor(1)];
    bus.publish(&Job::of("k", 1).does(does)).await.unwrap();
    bus.publish(&Job::of("k", 2)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(journal.beginnings(), [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1)]);
    assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: 1, ..Ends::NONE });
    assert_eq!(counts(&running).retried, 3);
    let letters = letters(&bus, "brief").await;
    assert_eq!((letters.len(), letters[0].attempts(), letters[0].reason()), (1, 4, Reason::Failed));
}

#[handler(retry(attempts = 4, backoff = "1ms..1ms"), timeout = "10s")]
async fn brief(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Brief = "brief" { handles: [brief], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn one_attempt_means_no_retry() {
    let journal = Journal::default();
    let bus = Bus::<Once>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    for (number, does) in (0..).zip([Does::Fail, Does::FailFor(5), Does::Panic, Does::Hang]) {
        bus.publish(&Job::of(&number.to_string(), number).does([does])).await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(journal.beginnings().len(), 4);
    assert_eq!(counts(&running).retried, 0);
    let mut letters: Vec<_> = letters(&bus, "once")
        .await
        .iter()
        .map(|l| (l.metadata().key().unwrap().to_owned(), l.reason()))
        .collect();
    letters.sort_by(|a, b| a.0.cmp(&b.0));
    let reasons = [Reason::Failed, Reason::Failed, Reason::Panicked, Reason::TimedOut];
    assert_eq!(letters.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>(), reasons);
}

#[handler(retry(attempts = 1))]
async fn once(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    assert!(attempt.is_last());
    journal.run(&job, attempt.number()).await
}

service! { Once = "once" { handles: [once], publishes: [Job], state: [Journal] } }

#[handler]
async fn plain(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Plain = "plain" { handles: [plain], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn by_default_there_are_eight_attempts_from_200_ms_to_30_s_of_a_minute_each() {
    let journal = Journal::default();
    let bus = Bus::<Plain>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("fails", 1).does([Does::Fail; 20])).await.unwrap();
    bus.publish(&Job::of("hangs", 2).does([Does::Hang])).await.unwrap();
    start(&bus).await;
    let delays = journal.delays(1);
    assert_eq!(delays.len(), 7);
    for (nth, delay) in (0..).zip(delays) {
        let full = ms(200 * 2_u64.pow(nth)).min(ms(30_000));
        assert_between(delay, full / 2, full);
    }
    let hung = journal.moments(2);
    assert_between(hung[1] - hung[0], ms(60_100), ms(60_200));
    assert_eq!(letters(&bus, "plain").await[0].attempts(), 8);
}

#[tokio::test(start_paused = true)]
async fn sixteen_keys_asleep_at_concurrency_sixteen_do_not_stop_a_seventeenth() {
    let journal = Journal::default();
    let bus = Bus::<Plain>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..16 {
        bus.publish(&Job::of(&number.to_string(), number).does([Does::FailFor(60_000)])).await.unwrap();
    }
    journal.begun(16).await;
    let began = Instant::now();
    bus.publish(&Job::of("another", 16)).await.unwrap();
    // Behind one that sleeps there is nothing to do but to wait for it.
    bus.publish(&Job::of("0", 17)).await.unwrap();
    journal.begun(17).await;
    assert_eq!(journal.moments(16), [began]);
    caught_up(&running).await;
    assert_between(journal.moments(17)[0] - began, ms(60_000), ms(60_000));
    assert_eq!(ends(&running), Ends { handled: 18, ..Ends::NONE });
    journal.assert_key_order();
}

#[tokio::test(start_paused = true)]
async fn the_retries_of_one_key_delay_no_other() {
    let journal = Journal::default();
    let bus = Bus::<Plain>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    let began = Instant::now();
    bus.publish(&Job::of("bad", 0).does([Does::FailFor(30_000); 7])).await.unwrap();
    for number in 1..500 {
        bus.publish(&Job::of(&(number % 50).to_string(), number).does([Does::Take(10)])).await.unwrap();
    }
    let running = start(&bus).await;
    let marks = journal.marks();
    let others = marks.iter().filter(|mark| mark.number > 0).map(|mark| mark.at).max().unwrap();
    // 499 of 10 ms, 16 at a time, and a millisecond for each round of the timers.
    assert!(others - began < ms(800), "the others took {:?}", others - began);
    assert_eq!(journal.moments(0).len(), 8);
    assert_eq!(ends(&running), Ends { handled: 500, ..Ends::NONE });
    journal.assert_key_order();
}

#[handler(timeout = none)]
async fn patient(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Patient = "patient" { handles: [patient], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn without_a_timeout_an_attempt_may_take_as_long_as_it_takes() {
    let journal = Journal::default();
    let bus = Bus::<Patient>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("k", 1).does([Does::Take(50 * 60 * 1_000)])).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(journal.beginnings(), [(1, 1)]);
    assert_eq!(ends(&running), Ends { handled: 1, ..Ends::NONE });
}

/// Fails at once, but only after it has kept the worker from going on.
#[handler(retry(attempts = 2))]
async fn blocking(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    if attempt.number() == 1 {
        std::thread::sleep(ms(60));
    }
    journal.run(&job, attempt.number()).await
}

service! { Blocking = "blocking" { handles: [blocking], publishes: [Job], state: [Journal] } }

/// In real time: a paused clock stands still while a handler blocks.
#[tokio::test]
async fn a_delay_counts_from_the_failure_however_long_the_round_took() {
    let journal = Journal::default();
    let bus = Bus::<Blocking>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("k", 1).does([Does::FailFor(80)])).await.unwrap();
    let running = start(&bus).await;
    caught_up(&running).await;
    assert!(journal.delays(1)[0] >= ms(80), "{:?}", journal.delays(1));
}
