//! The options of Kafka, and their form in a URL.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::SYSTEM;
use crate::{
    backend::{
        Secret,
        url::{self, Url},
    },
    duration,
    error::Result,
};

/// The options of Kafka.
///
/// ```text
/// kafka://localhost:9092
/// kafka://one:9092,two:9092?partitions=12&replication=3
/// kafkas://user:password@broker:9093?sasl=scram-sha-512&ca=/etc/ca.pem
/// kafka://localhost:9092?client.socket.keepalive.enable=true
/// ```
///
/// In a URL the options are named like the fields; `kafkas` is [`tls`](Self::tls), and `client.NAME=VALUE` is an entry
/// of [`client`](Self::client).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// Where to ask for the cluster, `host:port` each; `localhost:9092`.
    pub hosts: Vec<String>,
    /// Whether the connection is encrypted; no.
    pub tls: bool,
    /// A file with the certificates of the authorities to trust, as PEM; the system's.
    pub ca: Option<String>,
    /// A file with the client's own certificate, as PEM, for mutual TLS.
    pub cert: Option<String>,
    /// A file with the key of [`cert`](Self::cert), as PEM.
    pub key: Option<String>,
    /// The user. Without one there is no SASL.
    pub user: Option<String>,
    /// The password of the user.
    #[serde(deserialize_with = "secret")]
    pub password: Option<Secret>,
    /// How user and password are told; `plain`.
    pub sasl: Sasl,
    /// How batches are compressed; not at all.
    pub compression: Compression,
    /// How long a message waits for others to share a batch; 0, which is best for latency, and batches form by
    /// themselves while others are on their way. 5 ms is best for throughput.
    #[serde(deserialize_with = "time")]
    pub linger: Duration,
    /// The most messages that are on their way; further ones wait. 10,000.
    pub window: usize,
    /// Their bytes; 32 MiB.
    pub window_bytes: usize,
    /// The largest message in bytes, key and headers included; 1 MiB.
    pub max_message: usize,
    /// Partitions of the topics that are created, dead letters aside, which have one; 4.
    pub partitions: u32,
    /// Copies of each partition of the topics that are created; the broker's default.
    pub replication: Option<u16>,
    /// What becomes of topics that are missing; they are created.
    pub provision: Provision,
    /// How the members of a group share partitions; `cooperative-sticky`.
    pub protocol: Protocol,
    /// A name of this process that outlives a restart, for static membership: a restart within
    /// [`session_timeout`](Self::session_timeout) moves no partition. A second process of this name is refused, and
    /// ends the first. `None` is dynamic membership.
    pub instance: Option<String>,
    /// How long a silent member keeps its partitions; 45 s. The protocol `consumer` leaves it to the broker.
    #[serde(deserialize_with = "time")]
    pub session_timeout: Duration,
    /// How long a member that does not poll keeps its partitions; 5 min.
    #[serde(deserialize_with = "time")]
    pub max_poll: Duration,
    /// How long a rebalance waits for what runs to be settled; 15 s, and never more than half of
    /// [`max_poll`](Self::max_poll).
    #[serde(deserialize_with = "time")]
    pub revoke: Duration,
    /// How long what is settled waits for a commit; 200 ms.
    #[serde(deserialize_with = "time")]
    pub commit_every: Duration,
    /// After how many settled deliveries it waits no longer; 1,000.
    pub commit_after: usize,
    /// How often a subscription to a pattern looks for new topics; 5 s.
    #[serde(deserialize_with = "time")]
    pub refresh: Duration,
    /// What happens when messages are gone that the group has not read; the bus stops.
    pub on_gap: OnGap,
    /// How long to wait for the first answer of a broker; 10 s.
    #[serde(deserialize_with = "time")]
    pub connect_timeout: Duration,
    /// How long to wait for an answer to anything but a publish; 15 s.
    #[serde(deserialize_with = "time")]
    pub timeout: Duration,
    /// How long to wait for the confirmation of a publish, retries included; 30 s.
    #[serde(deserialize_with = "time")]
    pub publish_timeout: Duration,
    /// Options of librdkafka, as they are. What they say goes before anything else.
    pub client: BTreeMap<String, String>,
}

/// How user and password are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Sasl {
    /// As they are: only with TLS is that safe.
    #[default]
    Plain,
    /// SCRAM-SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// SCRAM-SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
}

/// What becomes of topics that are missing, or are not as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Provision {
    /// What is missing is created; what is there is left as it is.
    #[default]
    Create,
    /// Nothing is created; start-up fails with every difference.
    Verify,
    /// Nothing is created or compared.
    Trust,
}

/// How the members of a group share partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protocol {
    /// The classic protocol, in which every rebalance takes all partitions.
    Range,
    /// The classic protocol, in which a rebalance takes only what moves.
    #[default]
    CooperativeSticky,
    /// KIP-848: the broker decides. It needs Kafka 4.
    Consumer,
}

/// What happens when messages are gone that the group has not read, since the topic's retention overtook it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnGap {
    /// The bus stops with a fatal error.
    #[default]
    Stop,
    /// The group goes on with the oldest message that is there; an error is logged.
    Skip,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            hosts: vec!["localhost:9092".to_owned()],
            tls: false,
            ca: None,
            cert: None,
            key: None,
            user: None,
            password: None,
            sasl: Sasl::default(),
            compression: Compression::default(),
            linger: Duration::ZERO,
            window: 10_000,
            window_bytes: 32 * 1024 * 1024,
            max_message: 1024 * 1024,
            partitions: 4,
            replication: None,
            provision: Provision::default(),
            protocol: Protocol::default(),
            instance: None,
            session_timeout: Duration::from_secs(45),
            max_poll: Duration::from_secs(300),
            revoke: Duration::from_secs(15),
            commit_every: Duration::from_millis(200),
            commit_after: 1_000,
            refresh: Duration::from_secs(5),
            on_gap: OnGap::default(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(15),
            publish_timeout: Duration::from_secs(30),
            client: BTreeMap::new(),
        }
    }
}

/// Methods that set one field each.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => {
        impl Kafka {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(mut self, $name: $type) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }
    };
}

setters! {
    /// Sets how user and password are told.
    sasl: Sasl,
    /// Sets how batches are compressed.
    compression: Compression,
    /// Sets how long a message waits for others to share a batch.
    linger: Duration,
    /// Sets the most messages that are on their way.
    window: usize,
    /// Sets the largest message in bytes.
    max_message: usize,
    /// Sets the partitions of the topics that are created.
    partitions: u32,
    /// Sets what becomes of topics that are missing.
    provision: Provision,
    /// Sets how the members of a group share partitions.
    protocol: Protocol,
    /// Sets how long a silent member keeps its partitions.
    session_timeout: Duration,
    /// Sets how long what is settled waits for a commit.
    commit_every: Duration,
    /// Sets after how many settled deliveries it waits no longer.
    commit_after: usize,
    /// Sets how often a subscription to a pattern looks for new topics.
    refresh: Duration,
    /// Sets what happens when messages are gone that the group has not read.
    on_gap: OnGap,
    /// Sets how long to wait for the first answer of a broker.
    connect_timeout: Duration,
    /// Sets how long to wait for the confirmation of a publish.
    publish_timeout: Duration,
}

impl Kafka {
    /// The defaults, on these hosts: `host:port`, several separated by commas.
    #[must_use]
    pub fn new(hosts: &str) -> Self {
        Self { hosts: hosts.split(',').map(str::to_owned).collect(), ..Self::default() }
    }

    /// Sets user and password.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        (self.user, self.password) = (Some(user.into()), Some(password.into()));
        self
    }

    /// Encrypts the connection; `ca` is a file with the authorities to trust, instead of the system's.
    #[must_use]
    pub fn tls(mut self, ca: Option<String>) -> Self {
        (self.tls, self.ca) = (true, ca);
        self
    }

    /// Sets the copies of each partition of the topics that are created.
    #[must_use]
    pub fn replication(mut self, copies: u16) -> Self {
        self.replication = Some(copies);
        self
    }

    /// Sets the name of this process for static membership.
    #[must_use]
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = Some(name.into());
        self
    }

    /// Passes an option on to librdkafka, as it is.
    #[must_use]
    pub fn client(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.client.insert(name.into(), value.into());
        self
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// `Config` with everything that is wrong at once.
    pub fn from_url(text: &str) -> Result<Self> {
        let mut url = Url::read(SYSTEM, text, &["kafka", "kafkas"], |_| 9092)?;
        let hosts = url.hosts.iter().map(|(host, port)| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        });
        let mut it = Self { hosts: hosts.collect(), tls: url.scheme == "kafkas", ..Self::default() };
        if url.path.take().is_some_and(|path| !path.is_empty()) {
            url.wrong("the path", "a cluster has none; leave it out");
        }
        (it.user, it.password) = (url.user.take(), url.password.take());
        let file = |text: &str| Ok(Some(text.to_owned()));
        url.take("ca", &mut it.ca, file);
        url.take("cert", &mut it.cert, file);
        url.take("key", &mut it.key, file);
        url.take("sasl", &mut it.sasl, word);
        url.take("compression", &mut it.compression, word);
        url.take("linger", &mut it.linger, url::time);
        url.take("window", &mut it.window, url::number);
        url.take("window_bytes", &mut it.window_bytes, url::number);
        url.take("max_message", &mut it.max_message, url::number);
        url.take("partitions", &mut it.partitions, url::number);
        url.take("replication", &mut it.replication, |text| url::number(text).map(Some));
        url.take("provision", &mut it.provision, word);
        url.take("protocol", &mut it.protocol, word);
        url.take("instance", &mut it.instance, file);
        url.take("session_timeout", &mut it.session_timeout, url::time);
        url.take("max_poll", &mut it.max_poll, url::time);
        url.take("revoke", &mut it.revoke, url::time);
        url.take("commit_every", &mut it.commit_every, url::time);
        url.take("commit_after", &mut it.commit_after, url::number);
        url.take("refresh", &mut it.refresh, url::time);
        url.take("on_gap", &mut it.on_gap, word);
        url.take("connect_timeout", &mut it.connect_timeout, url::time);
        url.take("timeout", &mut it.timeout, url::time);
        url.take("publish_timeout", &mut it.publish_timeout, url::time);
        it.client = url.raw("client.").into_iter().collect();
        it.problems().into_iter().for_each(|problem| url.wrong(problem.place(), problem.message()));
        url.finish()?;
        Ok(it)
    }
}

impl fmt::Debug for Kafka {
    /// Leaves the values of `client` out: a password may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("hosts", &self.hosts)
            .field("tls", &self.tls)
            .field("ca", &self.ca)
            .field("user", &self.user)
            .field("password", &self.password)
            .field("sasl", &self.sasl)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("provision", &self.provision)
            .field("protocol", &self.protocol)
            .field("instance", &self.instance)
            .field("client", &self.client.keys())
            .finish_non_exhaustive()
    }
}

/// One of the words that serde knows for the type; the error names them all.
fn word<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, String> {
    let word = de::value::StrDeserializer::<de::value::Error>::new(text);
    T::deserialize(word).map_err(|error| error.to_string())
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration::read(&text).map_err(de::Error::custom)
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_everything() {
        let url = "kafkas://us%40er:pass@one,two:7,[::1]:8?sasl=scram-sha-256&ca=/ca.pem&linger=5ms&partitions=12\
                   &replication=3&provision=verify&protocol=consumer&on_gap=skip&client.socket.nagle.disable=true";
        let it = Kafka::from_url(url).unwrap();
        assert_eq!(it.hosts, ["one:9092", "two:7", "[::1]:8"]);
        assert_eq!((it.user.as_deref(), it.tls), (Some("us@er"), true));
        assert_eq!((it.sasl, it.linger), (Sasl::ScramSha256, Duration::from_millis(5)));
        assert_eq!((it.partitions, it.replication), (12, Some(3)));
        assert_eq!((it.provision, it.protocol), (Provision::Verify, Protocol::Consumer));
        assert_eq!(it.on_gap, OnGap::Skip);
        assert_eq!(it.client["socket.nagle.disable"], "true");
        let shown = format!("{:?}", it.client("sasl.password", "hunter2"));
        assert!(!shown.contains("pass\"") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let url = "kafka://user@host/path?sasl=digest&partitions=0&cert=/c.pem&commit_every=0ms&colour=red";
        let error = Kafka::from_url(url).unwrap_err().to_string();
        for part in
            ["path", "scram-sha-512", "partitions", "`key`", "`tls`", "password", "commit_every", "colour"]
        {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn a_configuration_says_the_same() {
        let it: Kafka = serde_json::from_str(
            r#"{"hosts": ["a:1"], "password": "p", "user": "u", "sasl": "scram-sha-512", "linger": "5ms"}"#,
        )
        .unwrap();
        let same =
            Kafka::new("a:1").credentials("u", "p").sasl(Sasl::ScramSha512).linger(Duration::from_millis(5));
        assert_eq!(it, same);
        assert!(serde_json::from_str::<Kafka>(r#"{"colour": "red"}"#).is_err());
    }
}
