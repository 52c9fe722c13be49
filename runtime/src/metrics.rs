//! Metrics, as a layer.
//!
//! They go through the facade `metrics` rather than through OpenTelemetry's metrics API. That is what Rust services are
//! usually measured with: it is one small crate without a provider to hand around, and the recorder is the program's
//! choice, be it Prometheus, which OpenTelemetry's collectors scrape, StatsD or one of its own. The names are those of
//! OpenTelemetry all the same, so that dashboards for its conventions work.

use ::metrics::{
    Label, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::{
    error::Result,
    layer::{Around, Ended, Layer, Load, OnSent, Publication, Received, Sent, Settlement},
    outcome::Failure,
};

const SENT: &str = "messaging.client.sent.messages";
const SENDING: &str = "messaging.client.operation.duration";
const CONSUMED: &str = "messaging.client.consumed.messages";
const PROCESSING: &str = "messaging.process.duration";
const SETTLED: &str = "typebus.deliveries.settled";
const RETRIED: &str = "typebus.attempts.retried";
const DEAD_LETTERS: &str = "typebus.dead_letters";
const RUNNING: &str = "typebus.attempts.running";
const HELD: &str = "typebus.deliveries.held";
const HELD_SIZE: &str = "typebus.deliveries.held.size";
const OLDEST: &str = "typebus.deliveries.oldest";

const SYSTEM: &str = "messaging.system";
const OPERATION: &str = "messaging.operation.name";
const DESTINATION: &str = "messaging.destination.name";
const GROUP: &str = "messaging.consumer.group.name";
const HANDLER: &str = "typebus.handler";
const OUTCOME: &str = "typebus.outcome";
const REASON: &str = "typebus.reason";
const ERROR: &str = "error.type";

#[doc = include_str!("docs/metrics.md")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Metrics;

impl Metrics {
    /// Describes the metrics to the recorder that is installed, and makes the layer.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "it tells the recorder something, which a default does not"
    )]
    pub fn new() -> Self {
        describe_counter!(SENT, Unit::Count, "events and dead letters that were confirmed, or given up");
        describe_histogram!(
            SENDING,
            Unit::Seconds,
            "from publishing an event to its confirmation, repeats included"
        );
        describe_counter!(CONSUMED, Unit::Count, "deliveries that were taken from the broker");
        describe_histogram!(PROCESSING, Unit::Seconds, "attempts, each from its first poll to its end");
        describe_counter!(
            SETTLED,
            Unit::Count,
            "deliveries that ended: `handled`, `discarded`, `skipped`, `dead_lettered`, `repeated` or `expired`"
        );
        describe_counter!(RETRIED, Unit::Count, "attempts that failed and are repeated");
        describe_counter!(DEAD_LETTERS, Unit::Count, "dead letters that were confirmed, by their reason");
        describe_gauge!(RUNNING, Unit::Count, "attempts that run");
        describe_gauge!(HELD, Unit::Count, "deliveries that were taken and are not settled");
        describe_gauge!(HELD_SIZE, Unit::Bytes, "the bytes of what is held");
        describe_gauge!(OLDEST, Unit::Seconds, "the age of the oldest delivery that is held; 0 if none is");
        Self
    }
}

impl Layer for Metrics {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>> {
        let mut labels = vec![
            Label::from_static_parts(SYSTEM, publication.system()),
            Label::from_static_parts(OPERATION, "send"),
            label(DESTINATION, publication.destination()),
        ];
        Ok(Some(Box::new(move |sent: &Sent<'_>| {
            if let Some(error) = sent.error() {
                labels.push(label(ERROR, &format!("{:?}", error.kind())));
            }
            counter!(SENT, labels.clone()).increment(1);
            histogram!(SENDING, labels).record(sent.duration());
        })))
    }

    fn receive(&self, delivery: &Received<'_>) {
        let mut labels = place(delivery.system(), delivery.subscription(), delivery.group());
        labels.push(Label::from_static_parts(OPERATION, "receive"));
        counter!(CONSUMED, labels).increment(1);
    }

    fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        let Some(first) = deliveries.first() else { return Ok(None) };
        let mut labels = handled(first);
        labels.push(Label::from_static_parts(OPERATION, "process"));
        Ok(Some(Box::new(Processing(labels))))
    }

    fn retry(&self, delivery: &Received<'_>, _: std::time::Duration) {
        counter!(RETRIED, handled(delivery)).increment(1);
    }

    fn settle(&self, delivery: &Received<'_>, settlement: Settlement) {
        let mut labels = handled(delivery);
        if let Settlement::DeadLettered(reason) = settlement {
            let mut labels = labels.clone();
            labels.push(Label::from_static_parts(REASON, reason.as_str()));
            counter!(DEAD_LETTERS, labels).increment(1);
        }
        labels.push(Label::from_static_parts(OUTCOME, settlement.as_str()));
        counter!(SETTLED, labels).increment(1);
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn load(&self, load: &Load<'_>) {
        let labels = place(load.system(), load.subscription(), load.group());
        gauge!(RUNNING, labels.clone()).set(load.running() as f64);
        gauge!(HELD, labels.clone()).set(load.held() as f64);
        gauge!(HELD_SIZE, labels.clone()).set(load.held_bytes() as f64);
        gauge!(OLDEST, labels).set(load.oldest().unwrap_or_default());
    }
}

/// One attempt.
struct Processing(Vec<Label>);

impl Around for Processing {
    fn ended(self: Box<Self>, ended: &Ended<'_>) {
        let mut labels = self.0;
        if let Some(reason) = ended.reason() {
            labels.push(Label::from_static_parts(ERROR, reason.as_str()));
        }
        histogram!(PROCESSING, labels).record(ended.duration());
    }
}

fn label(name: &'static str, value: &str) -> Label {
    Label::new(name, SharedString::from(value.to_owned()))
}

fn place(system: &'static str, subscription: &str, group: &str) -> Vec<Label> {
    vec![Label::from_static_parts(SYSTEM, system), label(DESTINATION, subscription), label(GROUP, group)]
}

fn handled(delivery: &Received<'_>) -> Vec<Label> {
    let mut labels = place(delivery.system(), delivery.subscription(), delivery.group());
    labels.push(Label::from_static_parts(HANDLER, delivery.handler().unwrap_or_default()));
    labels
}
