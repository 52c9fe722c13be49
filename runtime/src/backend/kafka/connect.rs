//! From options to clients of librdkafka, and the first contact.

use std::{
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    client::Client,
    config::{ClientConfig, RDKafkaLogLevel},
    error::KafkaError,
    metadata::Metadata,
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::oneshot;

use super::{
    SYSTEM,
    config::{Compression, Kafka, Protocol, Sasl},
    errors::{advice, closed, error, kind_of, of_client},
};
use crate::{
    backend::{Secret, Subscription, url::refuse},
    error::{Error, ErrorKind, Problem, Result},
    topic,
};

impl Kafka {
    fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.hosts.join(","));
        config.set("client.id", "typebus");
        config.set(
            "security.protocol",
            match (self.tls, self.user.is_some()) {
                (false, false) => "plaintext",
                (true, false) => "ssl",
                (false, true) => "sasl_plaintext",
                (true, true) => "sasl_ssl",
            },
        );
        let files = [
            ("ssl.ca.location", &self.ca),
            ("ssl.certificate.location", &self.cert),
            ("ssl.key.location", &self.key),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                config.set(name, file);
            }
        }
        if let Some(user) = &self.user {
            config.set("sasl.username", user);
            config.set("sasl.password", self.password.as_ref().map_or("", Secret::reveal));
            config.set(
                "sasl.mechanism",
                match self.sasl {
                    Sasl::Plain => "PLAIN",
                    Sasl::ScramSha256 => "SCRAM-SHA-256",
                    Sasl::ScramSha512 => "SCRAM-SHA-512",
                },
            );
        }
        config.set("socket.keepalive.enable", "true");
        config.set("socket.nagle.disable", "true");
        config.set("socket.connection.setup.timeout.ms", millis(self.connect_timeout.max(MIN_SETUP)));
        config.set("reconnect.backoff.ms", "50");
        config.set("reconnect.backoff.max.ms", "1000");
        // A missing topic is told at once; one that is created is waited for where it is created.
        config.set("topic.metadata.propagation.max.ms", "2000");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// The client's own options go before anything else.
    fn with_raw(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.client {
            config.set(name, value);
        }
        config
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.common();
        config.set("enable.idempotence", "true");
        // What Java's clients do, so that a key is in the same partition whoever publishes.
        config.set("partitioner", "murmur2_random");
        config.set("linger.ms", format!("{}", self.linger.as_secs_f64() * 1_000.0));
        config.set("message.timeout.ms", millis(self.publish_timeout));
        config.set("request.timeout.ms", millis(self.publish_timeout.min(Duration::from_secs(30))));
        // The window is ours, and stays below these.
        config.set("queue.buffering.max.messages", (self.window * 2).max(100_000).to_string());
        let kbytes = (self.window_bytes / 512 + self.max_message / 512).clamp(64 * 1024, 2_000_000);
        config.set("queue.buffering.max.kbytes", kbytes.to_string());
        config.set("message.max.bytes", self.wire_max().to_string());
        config.set("batch.size", self.wire_max().clamp(1_000_000, 2_147_483_647).to_string());
        config.set(
            "compression.type",
            match self.compression {
                Compression::None => "none",
                Compression::Gzip => "gzip",
                Compression::Snappy => "snappy",
                Compression::Lz4 => "lz4",
            },
        );
        self.with_raw(config)
    }

    /// What a message may be on the wire: names of headers are longer there, and a batch has a head.
    pub(super) const fn wire_max(&self) -> usize {
        self.max_message + 64 * 1024
    }

    fn any_consumer(&self) -> ClientConfig {
        let mut config = self.common();
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        // An offset that is gone is an incident, never a jump.
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed");
        config.set("fetch.wait.max.ms", "500");
        config.set("fetch.error.backoff.ms", "100");
        config.set("fetch.queue.backoff.ms", "5");
        config.set("fetch.message.max.bytes", self.wire_max().to_string());
        config
    }

    /// A consumer for a subscription.
    pub(super) fn consumer(&self, subscription: &Subscription, group: &str) -> ClientConfig {
        let mut config = self.any_consumer();
        let limits = subscription.limits;
        config.set("group.id", group);
        // Of each partition. The client leaves one that has as many alone for a while, so that few would be too few; what
        // they may take is said in bytes.
        config.set("queued.min.messages", limits.held.saturating_mul(10).clamp(10_000, 100_000).to_string());
        config.set("queued.max.messages.kbytes", (limits.held_bytes / 2048).clamp(1_024, 65_536).to_string());
        config.set("max.poll.interval.ms", millis(self.max_poll));
        if topic::is_pattern(&subscription.filter) || subscription.instance.is_none() {
            config.set("topic.metadata.refresh.interval.ms", millis(self.refresh));
        }
        match self.protocol {
            Protocol::Range => config.set("partition.assignment.strategy", "range"),
            Protocol::CooperativeSticky => config.set("partition.assignment.strategy", "cooperative-sticky"),
            Protocol::Consumer => config.set("group.protocol", "consumer"),
        };
        if self.protocol != Protocol::Consumer {
            config.set("session.timeout.ms", millis(self.session_timeout));
            config.set("heartbeat.interval.ms", millis((self.session_timeout / 10).min(HEARTBEAT)));
        }
        if let (Some(instance), None) = (&self.instance, &subscription.instance) {
            config.set("group.instance.id", instance);
        }
        self.with_raw(config)
    }

    /// A consumer that joins no group: for looking at topics, and at what `group` committed.
    pub(super) fn scratch(&self, group: &str) -> ClientConfig {
        let mut config = self.any_consumer();
        config.set("group.id", group);
        config.set("enable.partition.eof", "true");
        self.with_raw(config)
    }

    /// That librdkafka understands the options.
    pub(super) fn check_client(&self) -> Result<()> {
        let problems = match self.producer().create_native_config() {
            // The value may be a secret.
            Err(KafkaError::ClientConfig(_, text, name, _)) => {
                let text = match self.client.contains_key(&name) {
                    true => "librdkafka does not take it; see its CONFIGURATION.md for names and values"
                        .to_owned(),
                    false => text,
                };
                vec![Problem::new(format!("option `client.{name}`"), text)]
            }
            Err(_) => vec![Problem::new("the options", "librdkafka does not take them")],
            Ok(_) => Vec::new(),
        };
        refuse(SYSTEM, problems)
    }
}

/// librdkafka takes nothing shorter.
const MIN_SETUP: Duration = Duration::from_millis(1_000);
/// By its answer a member learns that others came or went.
const HEARTBEAT: Duration = Duration::from_secs(1);

fn millis(time: Duration) -> String {
    time.as_millis().clamp(1, 2_000_000_000).to_string()
}

/// What a client complained of last, so that who waits for it in vain can say why.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Complaints>);

#[derive(Debug, Default)]
struct Complaints {
    last: Option<(ErrorKind, String)>,
    /// Why a broker cannot be reached. That is said once, and may be long before it is said that all are down.
    why: Option<String>,
}

impl Trouble {
    pub(super) fn note(&self, kind: ErrorKind, reason: String) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kind == ErrorKind::Connect && !is_general(&reason) {
            said.why = Some(reason.clone());
        }
        // That all brokers are down says less than why.
        if said.last.is_none() || kind != ErrorKind::Connect || reason.contains("SSL") {
            said.last = Some((kind, reason));
        }
    }

    fn take(&self) -> Option<(ErrorKind, String)> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, reason) = said.last.take()?;
        let why = said.why.as_ref().filter(|_| is_general(&reason));
        Some((kind, why.cloned().unwrap_or(reason)))
    }
}

/// Whether it names no broker: `1/1 brokers are down`.
fn is_general(reason: &str) -> bool {
    reason.ends_with("brokers are down")
}

/// What every client of ours does with what librdkafka says.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
            tracing::debug!(target: "typebus::kafka", facility, "{message}");
        }
        _ => tracing::warn!(target: "typebus::kafka", facility, "{message}"),
    }
}

/// The cluster's brokers, topics and partitions, asked for until there is an answer or a reason why there will be none.
pub(super) fn metadata<C: ClientContext>(
    client: &Client<C>,
    trouble: &Trouble,
    (topic, operation): (Option<&str>, &'static str),
    timeout: Duration,
) -> Result<Metadata> {
    let deadline = Instant::now() + timeout;
    trouble.take();
    let mut said: Option<(ErrorKind, String)> = None;
    let mut slice = SLICE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let failure = match client.fetch_metadata(topic, left.min(slice)) {
            Ok(metadata) => return Ok(metadata),
            Err(failure) => failure,
        };
        // The first complaint says which broker and why; a later one may only say that all are down.
        if let Some(news) = trouble.take()
            && (said.is_none() || news.0 != ErrorKind::Connect || news.1.contains("SSL"))
        {
            said = Some(news);
        }
        let code = failure.rdkafka_error_code().unwrap_or(Code::Unknown);
        let kind = said.as_ref().map_or_else(|| kind_of(code), |(kind, _)| *kind);
        let is_final = matches!(kind, ErrorKind::Authentication | ErrorKind::Permission)
            || said.as_ref().is_some_and(|(_, reason)| reason.contains("SSL handshake failed"));
        if is_final || left <= slice {
            let kind = if kind == ErrorKind::Timeout { ErrorKind::Connect } else { kind };
            let reason =
                said.map_or_else(|| format!("no answer within {timeout:?}: {failure}"), |(_, reason)| reason);
            return Err(error(kind, operation, format!("{reason}{}", advice(kind))));
        }
        // What comes later than that is thrown away, and a large cluster or a busy one takes its time.
        slice *= 2;
    }
}

/// How long the first question waits before the client's complaints are looked at.
const SLICE: Duration = Duration::from_millis(250);

/// The partitions of a topic: `None` where it does not exist.
pub(super) fn partitions(metadata: &Metadata, name: &str, operation: &'static str) -> Result<Option<u32>> {
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
    match topic.error().map(Code::from) {
        None | Some(Code::LeaderNotAvailable) => {}
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
        Some(code) => return Err(super::errors::of_code(code, operation, &format!("topic `{name}`"))),
    }
    Ok(Some(u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX)).filter(|count| *count > 0))
}

/// Runs what blocks on a thread of its own.
pub(super) async fn off<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    spawn(operation, move || {
        // Whoever asked may be gone.
        let _ = answer.send(work());
    })?;
    answered.await.map_err(|_| closed(operation))?
}

/// Starts a thread.
pub(super) fn spawn(operation: &'static str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let builder = thread::Builder::new().name(format!("kafka {operation}"));
    let failed = |failure: std::io::Error| -> Error {
        error(ErrorKind::Connect, operation, "no thread can be started").because(failure)
    };
    builder.spawn(work).map_err(failed)
}

/// Makes a client of these options.
pub(super) fn created<T>(made: rdkafka::error::KafkaResult<T>, operation: &'static str) -> Result<T> {
    made.map_err(|failure| match failure {
        KafkaError::ClientConfig(_, text, name, _) => {
            error(ErrorKind::Config, operation, format!("option `client.{name}`: {text}"))
        }
        KafkaError::ClientCreation(text) => error(ErrorKind::Config, operation, text),
        other => of_client(&other, operation, "the client"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_all_brokers_are_down_is_told_by_the_reason() {
        let trouble = Trouble::default();
        let note = |reason: &str| trouble.note(ErrorKind::Connect, reason.to_owned());
        note("1/1 brokers are down");
        assert_eq!(trouble.take(), Some((ErrorKind::Connect, "1/1 brokers are down".to_owned())));
        note("host:1: Connection refused");
        // What was said before somebody asked is not lost.
        trouble.take();
        assert_eq!(trouble.take(), None);
        note("1/1 brokers are down");
        assert_eq!(trouble.take(), Some((ErrorKind::Connect, "host:1: Connection refused".to_owned())));
        trouble.note(ErrorKind::Authentication, "host:1: wrong password".to_owned());
        assert_eq!(trouble.take().map(|(kind, _)| kind), Some(ErrorKind::Authentication));
    }
}
