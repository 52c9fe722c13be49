//! Layers: what they see, what they change, and what they cannot break.

use std::time::Duration;

use tokio::time::Instant;
use typebus::{
    Around, Ended, Error, ErrorKind, Layer, Load, OnSent, Publication, Reason, Received, Sent, Settlement,
    prelude::*, testing::Foreign,
};
use typebus_tests::{
    Cancelled, Does, Gate, Job, Paid, Placed, Seen, broker, caught_up, counts, letters, patiently, start,
};

/// Writes down what it is told.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Seen<String>);

impl Log {
    pub(crate) fn add(&self, line: String) {
        self.0.push(line);
    }
}

impl Layer for Log {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        let what = format!("{} on {}", publication.name(), publication.topic());
        let from = publication.cause().map(|cause| format!(" from {}", cause.topic())).unwrap_or_default();
        self.add(format!("publish {what}{from}"));
        let log = self.clone();
        Ok(Some(Box::new(move |sent: &Sent<'_>| match sent.error() {
            None => log.add(format!("confirmed {what}")),
            Some(error) => log.add(format!("failed {what}: {:?}", error.kind())),
        })))
    }

    fn receive(&self, delivery: &Received<'_>) {
        self.add(format!("receive {}", delivery.topic()));
    }

    fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        let first = &deliveries[0];
        let handler = first.handler().unwrap_or_default();
        self.add(format!("attempt {} of {handler} at {}", first.attempt(), deliveries.len()));
        Ok(Some(Box::new(Noting(self.clone()))))
    }

    fn retry(&self, delivery: &Received<'_>, after: Duration) {
        self.add(format!("retry after attempt {} in {after:?}", delivery.attempt()));
    }

    fn settle(&self, delivery: &Received<'_>, settlement: Settlement) {
        self.add(format!("{} {}", settlement.as_str(), delivery.topic()));
    }

    fn dead_letter(&self, letter: &typebus::DeadLetter) {
        self.add(format!("dead letter {} on {}", letter.reason(), letter.metadata().topic()));
    }
}

struct Noting(Log);

impl Around for Noting {
    fn poll(&mut self, poll: &mut dyn FnMut()) {
        self.0.add("enter".into());
        poll();
        self.0.add("exit".into());
    }

    fn ended(self: Box<Self>, ended: &Ended<'_>) {
        let error = ended.error().map(|error| format!(": {error}")).unwrap_or_default();
        self.0.add(format!(
            "ended {:?} {:?} in {:?}{error}",
            ended.outcome(),
            ended.reason(),
            ended.duration()
        ));
    }
}

#[handler]
async fn charge(order: Placed) -> Paid {
    tokio::time::sleep(Duration::from_secs(2)).await;
    Paid { number: order.number, customer: None }
}

#[handler]
async fn thank(_: Paid) {}

service! { Till = "till" { handles: [charge, thank], publishes: [Placed] } }

#[handler(retry(attempts = 2, backoff = "1s..1s", jitter = false))]
async fn work(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job] } }

fn placed(number: u64) -> Placed {
    Placed { number, customer: "c".into() }
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_everything_in_its_order() {
    let log = Log::default();
    let bus = Bus::<Till>::builder().layer(log.clone()).connect("memory:").await.unwrap();
    bus.publish(&placed(1)).await.unwrap();
    let running = start(&bus).await;
    caught_up(&running).await;
    assert_eq!(
        log.0.all(),
        [
            "publish order.placed on shop.orders",
            "confirmed order.placed on shop.orders",
            "receive shop.orders",
            "attempt 1 of charge at 1",
            "enter",
            "exit",
            "enter",
            "exit",
            // What it returned is published within the attempt.
            "enter",
            "publish payment.made on shop.payments from shop.orders",
            "exit",
            "ended Ack None in 2s",
            "confirmed payment.made on shop.payments",
            "handled shop.orders",
            "receive shop.payments",
            "attempt 1 of thank at 1",
            "enter",
            "exit",
            "ended Ack None in 0ns",
            "handled shop.payments",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_retries_dead_letters_and_discards() {
    let log = Log::default();
    let bus = Bus::<Workshop>::builder().layer(log.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Fail, Does::Panic])).await.unwrap();
    let running = start(&bus).await;
    let dead = [
        "publish job on dead.workshop from work.jobs",
        "confirmed job on dead.workshop",
        "dead letter panicked on dead.workshop",
        "dead_lettered work.jobs",
    ];
    let all = log.0.all();
    assert_eq!(&all[all.len() - 4..], dead);
    let told: Vec<_> =
        all.iter().filter(|line| line.starts_with("ended") || line.starts_with("retry")).collect();
    assert_eq!(
        told,
        [
            "ended Retry { after: None } Some(Failed) in 0ns: failed",
            "retry after attempt 1 in 1s",
            "ended Retry { after: None } Some(Panicked) in 0ns: panicked: as it was told",
        ]
    );
    bus.publish(&Job::of("a", 2).does([Does::Drop])).await.unwrap();
    caught_up(&running).await;
    assert_eq!(log.0.all().last().unwrap(), "discarded work.jobs");
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_what_is_skipped_and_what_cannot_be_read() {
    let (log, url) = (Log::default(), broker());
    let bus = Bus::<Workshop>::builder().layer(log.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    foreign.message("work.jobs").header("ce_type", "other").payload("{}").send().await.unwrap();
    foreign.message("work.jobs").header("ce_type", "job.v1").payload("no job").send().await.unwrap();
    start(&bus).await;
    let all = log.0.all();
    assert!(all.contains(&"skipped work.jobs".to_owned()), "{all:?}");
    assert!(all.contains(&"dead letter undecodable on dead.workshop".to_owned()), "{all:?}");
}

/// Lets every event carry its tenant, refuses those without one, and deliveries of a tenant that is locked out.
#[derive(Clone)]
struct Tenants(&'static str);

impl Layer for Tenants {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        if self.0.is_empty() {
            return Err(Error::new(ErrorKind::Permission, "publish", "nobody may publish without a tenant"));
        }
        let inherited = publication.cause().and_then(|cause| cause.header("tenant").map(str::to_owned));
        publication.header("tenant", inherited.unwrap_or_else(|| self.0.to_owned()));
        Ok(None)
    }

    fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        match deliveries[0].metadata().header("tenant") {
            Some("locked") => Err(Failure::dead_letter("the tenant is locked out")),
            _ => Ok(None),
        }
    }
}

#[derive(Clone, Default)]
struct Headers(Seen<(String, String)>);

#[handler(topic = "shop.*", group = "auditor")]
async fn audit(event: AnyEvent, headers: State<Headers>) {
    let tenant = event.metadata().header("tenant").unwrap_or_default().to_owned();
    headers.0.push((event.name().to_owned(), tenant));
}

service! { Auditor = "auditor" { handles: [audit], state: [Headers] } }

#[tokio::test(start_paused = true)]
async fn a_layer_adds_headers_to_what_the_program_and_its_handlers_publish() {
    let (url, headers) = (broker(), Headers::default());
    let auditor = Bus::<Auditor>::builder().state(headers.clone()).connect(&url).await.unwrap();
    let till = Bus::<Till>::builder().layer(Tenants("acme")).connect(&url).await.unwrap();
    let _auditing = auditor.start().await.unwrap();
    let _running = till.start().await.unwrap();
    till.publish(&placed(1)).await.unwrap();
    let seen = headers.0.reached(2).await;
    let expected = [("order.placed", "acme"), ("payment.made", "acme")];
    assert_eq!(seen, expected.map(|(name, tenant)| (name.to_owned(), tenant.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_layer_refuses_publications() {
    let bus = Bus::<Till>::builder().layer(Tenants("")).connect("memory:").await.unwrap();
    let error = bus.publish(&placed(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert_eq!(error.to_string(), "publish: nobody may publish without a tenant");
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_returned_and_a_layer_refuses_is_a_dead_letter() {
    let url = broker();
    // The order comes from a program without the layer.
    let outside = Bus::<Till>::builder().connect(&url).await.unwrap();
    let bus = Bus::<Till>::builder().layer(Tenants("")).connect(&url).await.unwrap();
    outside.publish(&placed(1)).await.unwrap();
    let running = start(&bus).await;
    let letters = letters(&bus, "till").await;
    assert_eq!((letters.len(), letters[0].reason()), (1, Reason::PublishFailed));
    assert_eq!(letters[0].error(), "publish: nobody may publish without a tenant");
    let published: u64 =
        running.stats().published().filter(|(topic, _)| *topic == "shop.payments").map(|p| p.1).sum();
    assert_eq!(published, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_attempt_decides_like_a_handlers_error() {
    let bus = Bus::<Workshop>::builder().layer(Tenants("locked")).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1)).await.unwrap();
    start(&bus).await;
    let letters = letters(&bus, "workshop").await;
    assert_eq!((letters.len(), letters[0].error()), (1, "the tenant is locked out"));
    assert_eq!(letters[0].reason(), Reason::Failed);
}

/// Adds a header that is none.
struct Wrong;

impl Layer for Wrong {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        publication.header("ce-id", "forged");
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_layers_headers_obey_the_same_rules() {
    let log = Log::default();
    let bus = Bus::<Till>::builder().layer(log.clone()).layer(Wrong).connect("memory:").await.unwrap();
    assert_eq!(bus.publish(&placed(1)).await.unwrap_err().kind(), ErrorKind::InvalidHeader);
    assert_eq!(log.0.all()[1], "failed order.placed on shop.orders: InvalidHeader");
}

/// Says its name before and after.
struct Named(&'static str, Log);

impl Layer for Named {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        self.1.add(format!("{} publishes {}", self.0, publication.name()));
        let (name, log) = (self.0, self.1.clone());
        Ok(Some(Box::new(move |_: &Sent<'_>| log.add(format!("{name} confirmed")))))
    }

    fn attempt(&self, _: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        Ok(Some(Box::new(Self(self.0, self.1.clone()))))
    }
}

impl Around for Named {
    fn poll(&mut self, poll: &mut dyn FnMut()) {
        self.1.add(format!("{} enters", self.0));
        poll();
        self.1.add(format!("{} leaves", self.0));
    }

    fn ended(self: Box<Self>, _: &Ended<'_>) {
        self.1.add(format!("{} ended", self.0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_layer_is_the_outermost() {
    let log = Log::default();
    let builder = Bus::<Workshop>::builder().layer(Named("a", log.clone())).layer(Named("b", log.clone()));
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&Job::of("k", 1)).await.unwrap();
    start(&bus).await;
    let expected = [
        "a publishes job",
        "b publishes job",
        "b confirmed",
        "a confirmed",
        "a enters",
        "b enters",
        "b leaves",
        "a leaves",
        "b ended",
        "a ended",
    ];
    assert_eq!(log.0.all(), expected);
}

#[handler(batch(max = 2, wait = "10ms"), retry(attempts = 2, backoff = "1s..1s", jitter = false))]
async fn collect(jobs: Batch<Job>) -> Result<(), Failure> {
    match jobs.len() {
        1 => Ok(()),
        _ => Err(Failure::retry("too many")),
    }
}

service! { Collector = "collector" { handles: [collect], publishes: [Job] } }

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_attempt_at_several_deliveries() {
    let log = Log::default();
    let bus = Bus::<Collector>::builder().layer(log.clone()).connect("memory:").await.unwrap();
    bus.publish_all(&[Job::of("a", 1), Job::of("b", 2)]).await;
    start(&bus).await;
    let attempts: Vec<_> = log.0.all().into_iter().filter(|line| line.starts_with("attempt")).collect();
    assert_eq!(
        attempts,
        ["attempt 1 of collect at 2", "attempt 2 of collect at 1", "attempt 2 of collect at 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_nothing_can_be_read_has_ended() {
    let (log, url) = (Log::default(), broker());
    let bus = Bus::<Collector>::builder().layer(log.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for _ in 0..2 {
        foreign.message("work.jobs").header("ce_type", "job.v1").payload("no job").send().await.unwrap();
    }
    let running = start(&bus).await;
    let ended: Vec<_> = log.0.all().into_iter().filter(|line| line.starts_with("ended")).collect();
    assert_eq!(ended.len(), 1);
    assert!(ended[0].starts_with("ended DeadLetter Some(Undecodable)"), "{}", ended[0]);
    assert_eq!(counts(&running).dead_lettered, 2);
}

#[derive(Clone, Default)]
struct Loads(Seen<(usize, usize, Option<Duration>)>);

impl Layer for Loads {
    fn load(&self, load: &Load<'_>) {
        assert_eq!((load.service(), load.group(), load.subscription()), ("porter", "porter", "shop.orders"));
        self.0.push((load.running(), load.held(), load.oldest()));
    }
}

#[handler(concurrency = 1)]
async fn pass(_: Placed, gate: State<Gate>) {
    gate.pass().await;
}

service! { Porter = "porter" { handles: [pass], publishes: [Placed, Cancelled], state: [Gate] } }

#[tokio::test(start_paused = true)]
async fn the_load_is_told_and_shown() {
    let (gate, loads) = (Gate::default(), Loads::default());
    let builder = Bus::<Porter>::builder().state(gate.clone()).layer(loads.clone());
    let bus = builder.connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    let idle = counts(&running);
    assert_eq!((idle.running, idle.held, idle.held_bytes, idle.oldest), (0, 0, 0, None));
    bus.publish(&placed(1)).await.unwrap();
    gate.crowd(1).await;
    let taken = Instant::now();
    tokio::time::advance(Duration::from_secs(3)).await;
    bus.publish(&placed(2)).await.unwrap();
    // Told every second while something is held, so that an age does not stand still.
    patiently(async {
        while !loads.0.all().contains(&(1, 2, Some(Duration::from_secs(5)))) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await;
    let busy = counts(&running);
    assert_eq!((busy.running, busy.held, busy.oldest), (1, 2, Some(taken.elapsed())));
    assert!(busy.held_bytes > 0);
    gate.open();
    caught_up(&running).await;
    running.stop().await.unwrap();
    assert_eq!(loads.0.all().last(), Some(&(0, 0, None)));
    assert_eq!(counts(&running).oldest, None);
}

/// Writes down how everything that it is given shows itself.
#[derive(Clone, Default)]
struct Debugged(Log);

impl Layer for Debugged {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        publication.header("token", "hunter2");
        self.0.add(format!("{publication:?}"));
        let log = self.0.clone();
        Ok(Some(Box::new(move |sent: &Sent<'_>| log.add(format!("{sent:?}")))))
    }

    fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        self.0.add(format!("{deliveries:?}"));
        Ok(None)
    }

    fn load(&self, load: &Load<'_>) {
        self.0.add(format!("{load:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_layers_are_given_is_shown_without_payload_key_and_headers() {
    let log = Debugged::default();
    let bus = Bus::<Workshop>::builder().layer(log.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("hunter2", 1)).header("secret", "hunter2").await.unwrap();
    start(&bus).await;
    let text = log.0.0.all().join("\n");
    for name in ["Publication {", "Sent {", "Received {", "Load {", "work.jobs"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("hunter2") && !text.contains("104, 117, 110, 116"), "{text}");
}
