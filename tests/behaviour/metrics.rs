//! What is measured, and that the documentation has all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder, Snapshotter},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Error, ErrorKind, Layer, Metrics, OnSent, Publication, prelude::*, testing::Foreign};
use typebus_tests::{Does, Gate, Job, Placed, broker, caught_up, patiently, start};

/// One metric: name, kind, unit, what it says, and the attributes that it ever has.
type Described = (String, String, String, String, BTreeSet<String>);

/// What was measured since it was last asked.
struct Meter(Snapshotter);

impl Meter {
    /// For the tests of this thread, until the guard is dropped.
    fn install() -> (Self, &'static DebuggingRecorder, ::metrics::LocalRecorderGuard<'static>) {
        let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
        let guard = ::metrics::set_default_local_recorder(recorder);
        (Self(recorder.snapshotter()), recorder, guard)
    }

    /// `name{attribute=value,..}` to the value, without the attributes that are the same for all.
    fn take(&self) -> BTreeMap<String, DebugValue> {
        let all = self.0.snapshot().into_vec().into_iter();
        all.map(|(key, _, _, value)| {
            let labels = key
                .key()
                .labels()
                .filter(|label| !["messaging.system", "messaging.operation.name"].contains(&label.key()));
            let mut labels: Vec<_> = labels.map(|l| format!("{}={}", l.key(), l.value())).collect();
            labels.sort();
            (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
        })
        .collect()
    }
}

fn counted(metrics: &BTreeMap<String, DebugValue>, name: &str) -> Vec<(String, u64)> {
    let ours = metrics.iter().filter(|(key, _)| key.starts_with(&format!("{name}{{")));
    ours.map(|(key, value)| match value {
        DebugValue::Counter(count) => (key[name.len()..].to_owned(), *count),
        DebugValue::Histogram(values) => (key[name.len()..].to_owned(), values.len() as u64),
        DebugValue::Gauge(value) => panic!("{key} is a gauge: {value}"),
    })
    .collect()
}

#[handler(retry(attempts = 2, backoff = "1s..1s", jitter = false))]
async fn work(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job] } }

/// Refuses the events of one name.
struct Refuse(&'static str);

impl Layer for Refuse {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>, Error> {
        match publication.name() == self.0 {
            true => Err(Error::new(ErrorKind::Permission, "publish", "not today")),
            false => Ok(None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn everything_that_ends_is_counted_once() {
    let (meter, _, _guard) = Meter::install();
    let url = broker();
    let bus = Bus::<Workshop>::builder().layer(Metrics::new()).connect(&url).await.unwrap();
    bus.publish(&Job::of("a", 1)).await.unwrap();
    bus.publish(&Job::of("b", 2).does([Does::Fail, Does::Panic])).await.unwrap();
    bus.publish(&Job::of("c", 3).does([Does::Drop])).await.unwrap();
    bus.publish(&Job::of("d", 4).does([Does::Fail, Does::Take(2_000)])).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    foreign.message("work.jobs").header("ce_type", "other").payload("{}").send().await.unwrap();
    let _running = start(&bus).await;
    let metrics = meter.take();
    let place = "messaging.consumer.group.name=workshop,messaging.destination.name=work.jobs";
    let told = |name| counted(&metrics, name);
    assert_eq!(
        told("messaging.client.sent.messages"),
        [
            ("{messaging.destination.name=dead.workshop}".to_owned(), 1),
            ("{messaging.destination.name=work.jobs}".to_owned(), 4),
        ]
    );
    assert_eq!(told("messaging.client.operation.duration").iter().map(|(_, count)| count).sum::<u64>(), 5);
    assert_eq!(told("messaging.client.consumed.messages"), [(format!("{{{place}}}"), 5)]);
    assert_eq!(
        told("typebus.deliveries.settled"),
        [
            (format!("{{{place},typebus.handler=,typebus.outcome=skipped}}"), 1),
            (format!("{{{place},typebus.handler=work,typebus.outcome=dead_lettered}}"), 1),
            (format!("{{{place},typebus.handler=work,typebus.outcome=discarded}}"), 1),
            (format!("{{{place},typebus.handler=work,typebus.outcome=handled}}"), 2),
        ]
    );
    assert_eq!(told("typebus.attempts.retried"), [(format!("{{{place},typebus.handler=work}}"), 2)]);
    assert_eq!(
        told("typebus.dead_letters"),
        [(format!("{{{place},typebus.handler=work,typebus.reason=panicked}}"), 1)]
    );
    assert_eq!(
        told("messaging.process.duration"),
        [
            (format!("{{error.type=failed,{place},typebus.handler=work}}"), 3),
            (format!("{{error.type=panicked,{place},typebus.handler=work}}"), 1),
            (format!("{{{place},typebus.handler=work}}"), 2),
        ]
    );
    let taken = &metrics[&format!("messaging.process.duration{{{place},typebus.handler=work}}")];
    let DebugValue::Histogram(seconds) = taken else { panic!("{taken:?}") };
    assert!(seconds.iter().any(|second| second.into_inner() == 2.0), "in seconds: {seconds:?}");
}

#[handler]
async fn pass(_: Placed, gate: State<Gate>) {
    gate.pass().await;
}

service! { Porter = "porter" { handles: [pass], publishes: [Placed], state: [Gate] } }

#[tokio::test(start_paused = true)]
async fn gauges_follow_what_is_held() {
    let (meter, _, _guard) = Meter::install();
    let gate = Gate::default();
    let builder = Bus::<Porter>::builder().state(gate.clone()).layer(Metrics::new());
    let bus = builder.connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..3 {
        bus.publish(&Placed { number, customer: "same".into() }).await.unwrap();
    }
    gate.crowd(1).await;
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    let place = "{messaging.consumer.group.name=porter,messaging.destination.name=shop.orders}";
    let gauges = || {
        let metrics = meter.take();
        let gauge = |name: &str| match metrics[&format!("{name}{place}")] {
            DebugValue::Gauge(value) => value.into_inner(),
            ref other => panic!("{name}: {other:?}"),
        };
        let names = ["typebus.attempts.running", "typebus.deliveries.held", "typebus.deliveries.oldest"];
        (names.map(gauge), gauge("typebus.deliveries.held.size"))
    };
    let ([running_now, held, oldest], size) = gauges();
    assert_eq!((running_now, held), (1.0, 3.0));
    assert!((9.5..=10.5).contains(&oldest), "{oldest}");
    assert!(size > 0.0);
    gate.open();
    caught_up(&running).await;
    patiently(running.stop()).await.unwrap();
    assert_eq!(gauges(), ([0.0, 0.0, 0.0], 0.0));
}

/// What a sensor in some room measured.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "rooms.{room}.warmth", name = "measured")]
struct Measured {
    room: String,
}

#[handler]
async fn note(_: Measured) {}

service! { House = "house" { handles: [note], publishes: [Measured] } }

#[tokio::test(start_paused = true)]
async fn a_topic_with_a_field_is_one_destination() {
    let (meter, _, _guard) = Meter::install();
    let bus = Bus::<House>::builder().layer(Metrics::new()).connect("memory:").await.unwrap();
    for room in ["kitchen", "hall", "attic"] {
        bus.publish(&Measured { room: room.to_owned() }).await.unwrap();
    }
    start(&bus).await;
    let metrics = meter.take();
    let destination = "messaging.destination.name=rooms.*.warmth";
    assert_eq!(counted(&metrics, "messaging.client.sent.messages"), [(format!("{{{destination}}}"), 3)]);
    let consumed = counted(&metrics, "messaging.client.consumed.messages");
    assert_eq!(consumed, [(format!("{{messaging.consumer.group.name=house,{destination}}}"), 3)]);
}

/// The table of the documentation.
fn documented() -> BTreeSet<Described> {
    let page = include_str!("../../runtime/src/docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, attributes, says] = cells[..] else { panic!("{row}") };
        let attributes = attributes.split_whitespace().map(|name| name.trim_matches('`').to_owned());
        let text = |text: &str| text.trim_matches('`').to_owned();
        (text(name), kind.to_owned(), unit.to_owned(), says.to_owned(), attributes.collect())
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn the_documentation_has_every_metric_with_its_attributes() {
    let (meter, _, _guard) = Meter::install();
    let builder = Bus::<Workshop>::builder().layer(Metrics::new()).layer(Refuse("job"));
    let refused = builder.connect("memory:").await.unwrap();
    assert_eq!(refused.publish(&Job::of("a", 1)).await.unwrap_err().kind(), ErrorKind::Permission);
    let bus = Bus::<Workshop>::builder().layer(Metrics::new()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Fail, Does::Fail])).await.unwrap();
    start(&bus).await;
    let mut emitted: BTreeMap<String, Described> = BTreeMap::new();
    for (key, unit, says, _) in meter.0.snapshot().into_vec() {
        let kind = match key.kind() {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let name = key.key().name().to_owned();
        let described = emitted.entry(name.clone()).or_insert_with(|| {
            let unit = unit.map_or("none", |unit| unit.as_str());
            (name, kind.to_owned(), unit.to_owned(), says.unwrap_or_default().to_string(), BTreeSet::new())
        });
        described.4.extend(key.key().labels().map(|label| label.key().to_owned()));
    }
    let emitted: BTreeSet<Described> = emitted.into_values().collect();
    assert_eq!(
        emitted.difference(&documented()).collect::<Vec<_>>(),
        Vec::<&Described>::new(),
        "not documented so"
    );
    assert_eq!(
        documented().difference(&emitted).collect::<Vec<_>>(),
        Vec::<&Described>::new(),
        "not emitted so"
    );
}
