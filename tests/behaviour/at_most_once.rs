//! `delivery = at_most_once`: settled before the handler runs, which has one attempt.

use typebus::{ErrorKind, Reason, Tuning, prelude::*};
use typebus_tests::{Does, Ends, Gate, Job, Journal, broker, caught_up, counts, ends, letters, patiently};

use crate::wrapped::Wrapped;

#[handler(delivery = at_most_once)]
async fn once(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    assert_eq!((attempt.number(), attempt.max()), (1, 1));
    journal.run(&job, attempt.number()).await
}

service! { Once = "once" { handles: [once], publishes: [Job], state: [Journal] } }

#[tokio::test(start_paused = true)]
async fn what_fails_is_a_dead_letter_after_its_only_attempt_and_key_order_holds() {
    let journal = Journal::default();
    let bus = Bus::<Once>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for (number, does) in
        (0..).zip([Does::Take(5), Does::Fail, Does::Panic, Does::Hang, Does::Drop, Does::Well])
    {
        bus.publish(&Job::of("k", number).does([does])).await.unwrap();
    }
    while ends(&running) != (Ends { handled: 2, discarded: 1, dead_lettered: 3, ..Ends::NONE }) {
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    let order: Vec<_> = (0..6).map(|number| (number, 1)).collect();
    assert_eq!(journal.beginnings(), order);
    assert_eq!(counts(&running).retried, 0);
    let reasons: Vec<_> = letters(&bus, "once").await.iter().map(typebus::DeadLetter::reason).collect();
    assert_eq!(reasons.len(), 3);
    for reason in [Reason::Failed, Reason::Panicked, Reason::TimedOut] {
        assert!(reasons.contains(&reason), "{reasons:?}");
    }
    journal.assert_key_order();
}

#[handler(delivery = at_most_once)]
async fn stuck(_: Job, gate: State<Gate>) {
    gate.pass().await;
}

service! { Stuck = "stuck" { handles: [stuck], publishes: [Job], state: [Gate] } }

#[tokio::test(start_paused = true)]
async fn what_was_running_at_the_end_does_not_come_again_and_what_waited_does() {
    let (url, gate) = (broker(), Gate::default());
    let tuning = Tuning { drain: std::time::Duration::ZERO, ..Tuning::default() };
    let bus = Bus::<Stuck>::builder().state(gate.clone()).tuning(tuning).connect(&url).await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..3 {
        bus.publish(&Job::of("k", number)).await.unwrap();
    }
    gate.crowd(1).await;
    patiently(running.stop()).await.unwrap();
    assert_eq!(ends(&running), Ends { discarded: 1, ..Ends::NONE }, "the one that ran is lost, and counted");

    let bus = Bus::<Stuck>::builder().state(gate.clone()).connect(&url).await.unwrap();
    gate.open();
    let running = bus.start().await.unwrap();
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 2, ..Ends::NONE });
}

#[handler(delivery = at_most_once, batch(max = 3, wait = "1s"))]
async fn batches(jobs: Batch<Job>) -> Result<(), Failure> {
    if jobs.iter().any(|job| job.number == 1) { Err(Failure::retry("not with this one")) } else { Ok(()) }
}

service! { Batches = "batches" { handles: [batches], publishes: [Job] } }

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_is_not_run_again_item_by_item() {
    let bus = Bus::<Batches>::builder().connect("memory:").await.unwrap();
    for number in 0..6 {
        bus.publish(&Job::of("k", number)).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    while ends(&running) != (Ends { handled: 3, dead_lettered: 3, ..Ends::NONE }) {
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    assert_eq!(counts(&running).retried, 0);
}

#[tokio::test]
async fn a_backend_that_cannot_settle_at_once_is_refused() {
    let able = Wrapped::new("memory:");
    let capabilities = typebus::backend::Capabilities { at_most_once: false, ..able.capabilities };
    let bus = Bus::<Once>::builder().state(Journal::default());
    let error = bus.connect(Wrapped { capabilities, ..able }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`once`") && error.to_string().contains("at_most_once"), "{error}");
}
