//! The options of RabbitMQ, and their form in a URL.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::SYSTEM;
use crate::{
    backend::url::{Url, number, refuse, time},
    duration,
    error::{Problem, Result},
    secret::Secret,
};

/// The options of RabbitMQ.
///
/// ```text
/// amqp://user:password@one,two:5673/shop          several hosts, tried in turn, and a virtual host
/// amqps://host/?ca_file=ca.pem&auth=external&cert_file=me.pem&key_file=me.key
/// amqp://host/?provision=verify&heartbeat=10s&queue.x-quorum-initial-group-size=3
/// ```
///
/// In a URL and when deserialized the options are named like the fields, and durations are written `200ms`, `30s`, `5m`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RabbitMq {
    /// Hosts and ports, tried in turn; `localhost`, 5672, or 5671 with TLS.
    pub hosts: Vec<(String, u16)>,
    /// The virtual host; `/`.
    pub vhost: String,
    /// The user; `guest`.
    pub user: String,
    /// The password; `guest`.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
    /// How to prove who one is.
    pub auth: Auth,
    /// Whether the connection is encrypted, as `amqps://` says. The certificates of the system are trusted.
    pub tls: bool,
    /// A file with further certificates to trust, in PEM.
    pub ca_file: Option<PathBuf>,
    /// A file with the client's own certificate, in PEM.
    pub cert_file: Option<PathBuf>,
    /// A file with the key of [`cert_file`](Self::cert_file), in PEM.
    pub key_file: Option<PathBuf>,
    /// The name of the exchange, and what the names of all else begin with; `typebus`.
    pub exchange: String,
    /// What start-up does about exchanges, queues and bindings.
    pub provision: Provision,
    /// Arguments for every queue of a group, as they are: names and values. Digits alone are a number, `true` and `false`
    /// booleans.
    pub queue_arguments: Vec<(String, String)>,
    /// The interval of heartbeats; 20 s. A server that says nothing for twice as long is gone.
    #[serde(deserialize_with = "period")]
    pub heartbeat: Duration,
    /// How long one attempt to connect to one host may take; 5 s.
    #[serde(deserialize_with = "period")]
    pub connect_timeout: Duration,
    /// How long a declaration, or another question to the server, may take; 10 s.
    #[serde(deserialize_with = "period")]
    pub request_timeout: Duration,
    /// How long a publish may take, reconnecting and repeating included; 30 s.
    #[serde(deserialize_with = "period")]
    pub publish_timeout: Duration,
    /// The longest pause between two attempts to reconnect; 5 s. The first is 50 ms, and each is twice the one before.
    #[serde(deserialize_with = "period")]
    pub reconnect_max: Duration,
    /// Publishes that are sent and not confirmed; 1,000.
    pub publish_window: usize,
    /// Their bytes; 64 MiB.
    pub publish_window_bytes: usize,
    /// The largest message in bytes, key and headers included; 16 MiB. The server's `max_message_size` must allow it.
    pub max_message: usize,
    /// The most deliveries that a subscription holds unacknowledged, 1 to 2,000; 2,000. It holds no more than its own
    /// [`held`](crate::backend::Limits::held).
    pub prefetch: u16,
    /// Settlements that are acknowledged together at the latest; 200.
    pub ack_count: usize,
    /// How long a settlement waits for others to be acknowledged with; 0 s, which is at once. What waits when the process
    /// dies runs again.
    #[serde(deserialize_with = "period")]
    pub ack_delay: Duration,
    /// The server's `consumer_timeout`: how long it lets a delivery be unacknowledged; 30 min. Handlers whose attempts may
    /// take more than half of it are refused.
    #[serde(deserialize_with = "period")]
    pub consumer_timeout: Duration,
    /// How often a delivery may come back before the server itself gives it up; 100.
    pub delivery_limit: u32,
    /// How long the queue of one instance outlives it after a crash; 10 min.
    #[serde(deserialize_with = "period")]
    pub instance_expiry: Duration,
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Auth {
    /// By user and password.
    #[default]
    Plain,
    /// By its certificate.
    External,
}

/// What start-up does about exchanges, queues and bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provision {
    /// Creates what is missing; what is there and differs is an error. Nothing is ever altered or deleted.
    #[default]
    Create,
    /// Creates nothing, and reports everything that is missing or differs, at once.
    Verify,
    /// Looks at nothing.
    Trust,
}

impl Default for RabbitMq {
    fn default() -> Self {
        Self {
            hosts: vec![("localhost".to_owned(), PORT)],
            vhost: "/".to_owned(),
            user: "guest".to_owned(),
            password: Secret::new("guest"),
            auth: Auth::Plain,
            tls: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            exchange: "typebus".to_owned(),
            provision: Provision::Create,
            queue_arguments: Vec::new(),
            heartbeat: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(30),
            reconnect_max: Duration::from_secs(5),
            publish_window: 1_000,
            publish_window_bytes: 64 * 1024 * 1024,
            max_message: 16 * 1024 * 1024,
            prefetch: MAX_PREFETCH,
            ack_count: 200,
            ack_delay: Duration::ZERO,
            consumer_timeout: Duration::from_secs(30 * 60),
            delivery_limit: 100,
            instance_expiry: Duration::from_secs(10 * 60),
        }
    }
}

/// Quorum queues take no more.
const MAX_PREFETCH: u16 = 2_000;
const PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;
/// The longest name of an exchange, so that what is derived from it fits into 255 bytes.
const MAX_EXCHANGE: usize = 60;

macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $field(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )*
    };
}

impl RabbitMq {
    /// The defaults: `localhost` as `guest`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets user and password.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        (self.user, self.password) = (user.into(), password.into());
        self
    }

    /// Sets the name of the exchange.
    #[must_use]
    pub fn exchange(mut self, name: impl Into<String>) -> Self {
        self.exchange = name.into();
        self
    }

    /// Sets the virtual host.
    #[must_use]
    pub fn vhost(mut self, name: impl Into<String>) -> Self {
        self.vhost = name.into();
        self
    }

    /// Adds an argument for every queue of a group.
    #[must_use]
    pub fn queue_argument(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.queue_arguments.push((name.into(), value.into()));
        self
    }

    setters! {
        /// Sets hosts and ports.
        hosts: Vec<(String, u16)>;
        /// Sets how to prove who one is.
        auth: Auth;
        /// Sets whether the connection is encrypted.
        tls: bool;
        /// Sets what start-up does about exchanges, queues and bindings.
        provision: Provision;
        /// Sets the interval of heartbeats.
        heartbeat: Duration;
        /// Sets how long one attempt to connect may take.
        connect_timeout: Duration;
        /// Sets how long a question to the server may take.
        request_timeout: Duration;
        /// Sets how long a publish may take.
        publish_timeout: Duration;
        /// Sets the longest pause between two attempts to reconnect.
        reconnect_max: Duration;
        /// Sets how many publishes are on their way.
        publish_window: usize;
        /// Sets the largest message in bytes.
        max_message: usize;
        /// Sets the most deliveries that a subscription holds unacknowledged.
        prefetch: u16;
        /// Sets how many settlements are acknowledged together at the latest.
        ack_count: usize;
        /// Sets how long a settlement waits for others.
        ack_delay: Duration;
        /// Says what the server's `consumer_timeout` is.
        consumer_timeout: Duration;
        /// Sets how often a delivery may come back.
        delivery_limit: u32;
        /// Sets how long the queue of one instance outlives it.
        instance_expiry: Duration;
    }

    /// Reads a URL: `amqp://` or `amqps://`, with options named like the fields, and with `queue.NAME` for an argument of
    /// every queue. `amqp://host/` means the virtual host `/`, as `amqp://host` does.
    ///
    /// # Errors
    /// `Config` with everything that is wrong at once.
    pub fn from_url(url: &str) -> Result<Self> {
        let port = |scheme: &str| if scheme == "amqps" { TLS_PORT } else { PORT };
        let mut url = Url::read(SYSTEM, url, &["amqp", "amqps"], port)?;
        let mut options = Self { tls: url.scheme == "amqps", ..Self::default() };
        options.hosts = std::mem::take(&mut url.hosts);
        if let Some(vhost) = url.path.take().filter(|path| !path.is_empty()) {
            options.vhost = vhost;
        }
        if let Some(user) = url.user.take() {
            (options.user, options.password) = (user, url.password.take().unwrap_or_else(|| Secret::new("")));
        }
        let file = |text: &str| Ok(Some(PathBuf::from(text)));
        url.take("auth", &mut options.auth, |text| match text {
            "plain" => Ok(Auth::Plain),
            "external" => Ok(Auth::External),
            _ => Err(format!("`{text}` is neither `plain` nor `external`")),
        });
        url.take("provision", &mut options.provision, |text| match text {
            "create" => Ok(Provision::Create),
            "verify" => Ok(Provision::Verify),
            "trust" => Ok(Provision::Trust),
            _ => Err(format!("`{text}` is none of `create`, `verify` and `trust`")),
        });
        url.take("ca_file", &mut options.ca_file, file);
        url.take("cert_file", &mut options.cert_file, file);
        url.take("key_file", &mut options.key_file, file);
        url.take("exchange", &mut options.exchange, |text| Ok(text.to_owned()));
        url.take("heartbeat", &mut options.heartbeat, time);
        url.take("connect_timeout", &mut options.connect_timeout, time);
        url.take("request_timeout", &mut options.request_timeout, time);
        url.take("publish_timeout", &mut options.publish_timeout, time);
        url.take("reconnect_max", &mut options.reconnect_max, time);
        url.take("publish_window", &mut options.publish_window, number);
        url.take("publish_window_bytes", &mut options.publish_window_bytes, number);
        url.take("max_message", &mut options.max_message, number);
        url.take("prefetch", &mut options.prefetch, number);
        url.take("ack_count", &mut options.ack_count, number);
        url.take("ack_delay", &mut options.ack_delay, time);
        url.take("consumer_timeout", &mut options.consumer_timeout, time);
        url.take("delivery_limit", &mut options.delivery_limit, number);
        url.take("instance_expiry", &mut options.instance_expiry, time);
        options.queue_arguments = url.raw("queue.");
        for problem in options.problems() {
            url.wrong(problem.place(), problem.message());
        }
        url.finish()?;
        Ok(options)
    }

    pub(super) fn check(&self) -> Result<()> {
        refuse(SYSTEM, self.problems())
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong =
            |name: &str, text: &str| problems.push(Problem::new(format!("option `{name}`"), text));
        if self.hosts.is_empty() {
            wrong("hosts", "there is none; name at least one");
        }
        let odd = |name: &str| name.is_empty() || name.starts_with("amq.") || name.contains('/');
        if odd(&self.exchange) || self.exchange.len() > MAX_EXCHANGE {
            wrong("exchange", "it is 1 to 60 bytes without `/`, and does not begin with `amq.`");
        }
        if !(1..=MAX_PREFETCH).contains(&self.prefetch) {
            wrong("prefetch", "it must be 1 to 2000");
        }
        let counts = [
            ("publish_window", self.publish_window),
            ("publish_window_bytes", self.publish_window_bytes),
            ("max_message", self.max_message),
            ("ack_count", self.ack_count),
            ("delivery_limit", self.delivery_limit as usize),
        ];
        let periods = [
            ("heartbeat", self.heartbeat),
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("publish_timeout", self.publish_timeout),
            ("reconnect_max", self.reconnect_max),
            ("consumer_timeout", self.consumer_timeout),
            ("instance_expiry", self.instance_expiry),
        ];
        let zeros = counts.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name);
        for name in
            zeros.chain(periods.into_iter().filter(|(_, period)| period.is_zero()).map(|(name, _)| name))
        {
            wrong(name, "it must be more than 0");
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            wrong("cert_file", "`cert_file` and `key_file` belong together; give both, or neither");
        }
        let has_files = self.ca_file.is_some() || self.cert_file.is_some();
        if has_files && !self.tls {
            wrong("tls", "certificates are given and the connection is not encrypted; write `amqps://`");
        }
        if self.auth == Auth::External && self.cert_file.is_none() {
            wrong("auth", "`external` needs a certificate of the client: give `cert_file` and `key_file`");
        }
        for (name, _) in &self.queue_arguments {
            if OURS.contains(&name.as_str()) {
                wrong(name, "the backend sets it itself; take it out");
            }
        }
        problems
    }
}

/// Arguments of queues that keep promises.
const OURS: [&str; 6] = [
    "x-queue-type",
    "x-single-active-consumer",
    "x-delivery-limit",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
];

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}

fn period<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration::read(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_everything() {
        let url = "amqps://us%40er:se%2Fcret@one,two:7/shop%2Ftest?heartbeat=3s&prefetch=5&provision=verify\
                   &exchange=mine&queue.x-max-length=7&ca_file=ca.pem";
        let options = RabbitMq::from_url(url).unwrap();
        assert_eq!(options.hosts, [("one".to_owned(), 5671), ("two".to_owned(), 7)]);
        assert_eq!((options.vhost.as_str(), options.user.as_str()), ("shop/test", "us@er"));
        assert_eq!(options.password.reveal(), "se/cret");
        assert_eq!((options.heartbeat, options.prefetch), (Duration::from_secs(3), 5));
        assert_eq!((options.provision, options.exchange.as_str()), (Provision::Verify, "mine"));
        assert_eq!(options.queue_arguments, [("x-max-length".to_owned(), "7".to_owned())]);
        assert!(options.tls && !format!("{options:?}").contains("se/cret"));
        for url in ["amqp://h", "amqp://h/", "amqp://h/%2f"] {
            assert_eq!(RabbitMq::from_url(url).unwrap().vhost, "/");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let url = "amqp://u:hunter2@h?prefetch=0&heartbeat=fast&auth=external&queue.x-queue-type=classic&colour=red\
                   &exchange=amq.topic&ca_file=x";
        let error = RabbitMq::from_url(url).unwrap_err();
        let text = format!("{error} {error:?}");
        for part in
            ["`prefetch`", "`heartbeat`", "`auth`", "`x-queue-type`", "`colour`", "`exchange`", "`tls`"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn the_defaults_are_those_of_the_promises() {
        let options = RabbitMq::default();
        assert_eq!((options.delivery_limit, options.publish_window), (100, 1_000));
        assert_eq!(options.consumer_timeout, Duration::from_secs(1_800));
        assert_eq!(options.instance_expiry, Duration::from_secs(600));
        options.check().unwrap();
    }

    #[test]
    fn a_file_says_the_same() {
        let text = r#"{"hosts": [["h", 1]], "password": "p", "heartbeat": "3s", "provision": "trust"}"#;
        let options: RabbitMq = serde_json::from_str(text).unwrap();
        assert_eq!(options.hosts, [("h".to_owned(), 1)]);
        assert_eq!((options.heartbeat, options.provision), (Duration::from_secs(3), Provision::Trust));
        assert!(serde_json::from_str::<RabbitMq>(r#"{"colour": 1}"#).is_err());
    }
}
