//! A function that is told every dead letter.

use std::time::Duration;

use tokio::sync::mpsc;
use typebus::{DeadLetter, Reason, prelude::*, testing::Foreign};
use typebus_tests::{Does, Job, Seen, broker, caught_up, counts, letters, start};

#[handler(retry(attempts = 2, backoff = "1s..1s", jitter = false))]
async fn work(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job] } }

#[handler(topic = "work.jobs", group = "careless", dead_letter = discard)]
async fn ignore(_: Job) -> Result<(), Failure> {
    Err(Failure::dead_letter("nobody cares"))
}

service! { Careless = "careless" { handles: [ignore], publishes: [Job] } }

/// What an alert would say.
fn told(letter: &DeadLetter) -> String {
    let (origin, metadata) = (letter.origin(), letter.metadata());
    format!(
        "{} of {} gave up {} of {} after {} attempts: {} ({}), now on {} at {:?}",
        letter.handler(),
        letter.group(),
        metadata.name(),
        origin.topic,
        letter.attempts(),
        letter.error(),
        letter.reason(),
        metadata.topic(),
        metadata.position().map(|position| position.to_string()),
    )
}

#[tokio::test(start_paused = true)]
async fn an_alert_has_everything_that_the_dead_letter_has() {
    let alerts = Seen::default();
    let heard = alerts.clone();
    let builder = Bus::<Workshop>::builder().on_dead_letter(move |letter| heard.push(letter.clone()));
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Fail, Does::Fail])).header("tenant", "acme").await.unwrap();
    bus.publish(&Job::of("b", 2)).await.unwrap();
    let running = start(&bus).await;
    let [alert] = &alerts.all()[..] else { panic!("one alert: {:?}", alerts.all()) };
    assert_eq!(
        told(alert),
        "work of workshop gave up job of work.jobs after 2 attempts: failed (failed), now on dead.workshop at Some(\"0\")"
    );
    assert_eq!((alert.metadata().header("tenant"), alert.metadata().key()), (Some("acme"), Some("a")));
    let listed = letters(&bus, "workshop").await;
    assert_eq!(told(alert), told(&listed[0]), "it is what is listed");
    assert_eq!((alert.metadata().id(), alert.payload()), (listed[0].metadata().id(), listed[0].payload()));
    assert_eq!(counts(&running).dead_lettered, 1);
}

#[tokio::test(start_paused = true)]
async fn an_alert_comes_when_the_dead_letter_is_confirmed_and_before_its_delivery_is_settled() {
    let (sender, mut alerts) = mpsc::unbounded_channel();
    let url = broker();
    let builder = Bus::<Workshop>::builder().on_dead_letter(move |letter| {
        sender.send(letter.reason()).unwrap();
    });
    let bus = builder.connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    foreign.message("work.jobs").header("ce_type", "job.v1").payload("no job").send().await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Bury])).await.unwrap();
    let running = bus.start().await.unwrap();
    assert_eq!(alerts.recv().await, Some(Reason::Undecodable));
    assert_eq!(alerts.recv().await, Some(Reason::Failed));
    assert_eq!(letters(&bus, "workshop").await.len(), 2);
    caught_up(&running).await;
    assert!(alerts.try_recv().is_err(), "each is told once");
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_panics_changes_nothing_and_the_next_is_told() {
    let alerts = Seen::default();
    let heard = alerts.clone();
    let builder = Bus::<Workshop>::builder()
        .on_dead_letter(|_| panic!("the pager is out of order"))
        .on_dead_letter(move |letter| heard.push(letter.error().to_owned()));
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Bury])).await.unwrap();
    bus.publish(&Job::of("a", 2)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(alerts.all(), ["hopeless"]);
    assert_eq!((counts(&running).handled, counts(&running).dead_lettered), (1, 1));
    tokio::time::timeout(Duration::from_secs(60), running.stop()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_discarded_instead_is_no_alert() {
    let alerts = Seen::default();
    let heard = alerts.clone();
    let builder =
        Bus::<Careless>::builder().on_dead_letter(move |letter| heard.push(letter.error().to_owned()));
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!((alerts.count(), counts(&running).discarded), (0, 1));
}
