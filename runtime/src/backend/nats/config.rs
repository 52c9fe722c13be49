//! The options of NATS, and their form in a URL.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::SYSTEM;
use crate::{
    backend::url::{Url, flag, number, time},
    duration,
    error::Result,
    secret::Secret,
};

/// The options of NATS JetStream.
///
/// ```text
/// nats://user:password@one,two:4223            several hosts, of which one is connected to
/// nats://token@host                            a token
/// tls://host/?ca_file=ca.pem&cert_file=me.pem&key_file=me.key
/// nats://host/?credentials_file=me.creds&replicas=3&provision=verify
/// nats://host/?stream.EVENTS=shop.>,billing.>  a stream that was made by others
/// ```
///
/// In a URL and when deserialized the options are named like the fields, and durations are written `200ms`, `30s`, `5m`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Nats {
    /// Hosts and ports; `localhost`, 4222.
    pub hosts: Vec<(String, u16)>,
    /// The user; none.
    pub user: Option<String>,
    /// The user's password.
    #[serde(deserialize_with = "secret")]
    pub password: Option<Secret>,
    /// A token instead of user and password.
    #[serde(deserialize_with = "secret")]
    pub token: Option<Secret>,
    /// The seed of an nkey, `SU…`.
    #[serde(deserialize_with = "secret")]
    pub nkey: Option<Secret>,
    /// A credentials file: a JWT and the seed of its nkey.
    pub credentials_file: Option<PathBuf>,
    /// Whether the connection must be encrypted, as `tls://` says. The certificates of the system are trusted.
    pub tls: bool,
    /// Whether TLS begins before the server has said anything.
    pub tls_first: bool,
    /// A file with further certificates to trust, in PEM.
    pub ca_file: Option<PathBuf>,
    /// A file with the client's own certificate, in PEM.
    pub cert_file: Option<PathBuf>,
    /// A file with the key of [`cert_file`](Self::cert_file), in PEM.
    pub key_file: Option<PathBuf>,
    /// Streams by name, each with its subjects, for topics that are not to be in a stream named like their first token.
    /// Patterns that begin with a wildcard need them.
    pub streams: Vec<(String, Vec<String>)>,
    /// What start-up does about streams and consumers.
    pub provision: Provision,
    /// What happens when messages are gone that the group has not read; the bus stops.
    pub on_gap: OnGap,
    /// Copies of a stream that is created; 1.
    pub replicas: usize,
    /// The duplicate window of a stream that is created; 2 min.
    #[serde(deserialize_with = "period")]
    pub duplicate_window: Duration,
    /// How long the server waits for an acknowledgement or a sign of progress, which comes each third of it; 30 s.
    #[serde(deserialize_with = "period")]
    pub ack_wait: Duration,
    /// How long the active instance of an ordered subscription may be silent before another takes over; 30 s. Both go
    /// into consumers that are created.
    #[serde(deserialize_with = "period")]
    pub pin_timeout: Duration,
    /// The most messages asked for at once; 500.
    pub fetch: usize,
    /// The silence of the server, while it has nothing to deliver, after which the subscription asks again; 10 s.
    #[serde(deserialize_with = "period")]
    pub idle_timeout: Duration,
    /// How long the consumer of one instance outlives it after a crash, at most 10 min; 10 min.
    #[serde(deserialize_with = "period")]
    pub instance_expiry: Duration,
    /// The interval of pings; 10 s. A server that leaves several unanswered is gone.
    #[serde(deserialize_with = "period")]
    pub ping_interval: Duration,
    /// How long an attempt to connect may take; 5 s.
    #[serde(deserialize_with = "period")]
    pub connect_timeout: Duration,
    /// How long a question to the server may take; 10 s.
    #[serde(deserialize_with = "period")]
    pub request_timeout: Duration,
    /// How long a publish may take, reconnecting and repeating included; 30 s.
    #[serde(deserialize_with = "period")]
    pub publish_timeout: Duration,
    /// How long one confirmation may take before the message is sent again; 5 s.
    #[serde(deserialize_with = "period")]
    pub confirm_timeout: Duration,
    /// The longest pause between two attempts to reconnect; 4 s.
    #[serde(deserialize_with = "period")]
    pub reconnect_max: Duration,
    /// Publishes that are sent and not confirmed; 1,000.
    pub publish_window: usize,
    /// The largest message in bytes, key and headers included; 1 MiB. The server's `max_payload` must allow it.
    pub max_message: usize,
}

/// What start-up does about streams and consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provision {
    /// Creates what is missing; what is there and differs is an error. What others made is never altered or deleted.
    #[default]
    Create,
    /// Creates nothing, and reports everything that is missing or differs, at once.
    Verify,
    /// Looks at nothing. Consumers of single instances are created all the same.
    Trust,
}

/// What happens when messages are gone that the group has not read, since the limits of the stream overtook it.
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

impl Default for Nats {
    fn default() -> Self {
        Self {
            hosts: vec![("localhost".to_owned(), PORT)],
            user: None,
            password: None,
            token: None,
            nkey: None,
            credentials_file: None,
            tls: false,
            tls_first: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            streams: Vec::new(),
            provision: Provision::Create,
            on_gap: OnGap::default(),
            replicas: 1,
            duplicate_window: Duration::from_secs(120),
            ack_wait: Duration::from_secs(30),
            pin_timeout: Duration::from_secs(30),
            fetch: 500,
            idle_timeout: Duration::from_secs(10),
            instance_expiry: INSTANCE_EXPIRY,
            ping_interval: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(30),
            confirm_timeout: Duration::from_secs(5),
            reconnect_max: Duration::from_secs(4),
            publish_window: 1_000,
            max_message: 1024 * 1024,
        }
    }
}

const PORT: u16 = 4222;
pub(super) const INSTANCE_EXPIRY: Duration = Duration::from_secs(600);

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

impl Nats {
    /// The defaults: `localhost`, without credentials.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets user and password.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        (self.user, self.password) = (Some(user.into()), Some(password.into()));
        self
    }

    /// Sets the token.
    #[must_use]
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets the seed of the nkey.
    #[must_use]
    pub fn nkey(mut self, seed: impl Into<Secret>) -> Self {
        self.nkey = Some(seed.into());
        self
    }

    /// Sets the credentials file.
    #[must_use]
    pub fn credentials_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.credentials_file = Some(path.into());
        self
    }

    /// Adds a stream by name, with its subjects.
    #[must_use]
    pub fn stream<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        subjects: impl IntoIterator<Item = S>,
    ) -> Self {
        self.streams.push((name.into(), subjects.into_iter().map(Into::into).collect()));
        self
    }

    setters! {
        /// Sets hosts and ports.
        hosts: Vec<(String, u16)>;
        /// Sets whether the connection must be encrypted.
        tls: bool;
        /// Sets what start-up does about streams and consumers.
        provision: Provision;
        /// Sets what happens when messages are gone that the group has not read.
        on_gap: OnGap;
        /// Sets the copies of a stream that is created.
        replicas: usize;
        /// Sets the duplicate window of a stream that is created.
        duplicate_window: Duration;
        /// Sets how long the server waits for a sign of progress.
        ack_wait: Duration;
        /// Sets how long the active instance may be silent.
        pin_timeout: Duration;
        /// Sets the most messages asked for at once.
        fetch: usize;
        /// Sets after how much silence of the server a subscription asks again.
        idle_timeout: Duration;
        /// Sets how long the consumer of one instance outlives it.
        instance_expiry: Duration;
        /// Sets the interval of pings.
        ping_interval: Duration;
        /// Sets how long an attempt to connect may take.
        connect_timeout: Duration;
        /// Sets how long a question to the server may take.
        request_timeout: Duration;
        /// Sets how long a publish may take.
        publish_timeout: Duration;
        /// Sets how long one confirmation may take.
        confirm_timeout: Duration;
        /// Sets the longest pause between two attempts to reconnect.
        reconnect_max: Duration;
        /// Sets how many publishes are on their way.
        publish_window: usize;
        /// Sets the largest message in bytes.
        max_message: usize;
    }

    /// Reads a URL: `nats://` or `tls://`, with options named like the fields, and with `stream.NAME=SUBJECT,SUBJECT`
    /// for a stream by name. A user without a password is a token.
    ///
    /// # Errors
    /// `Config` with everything that is wrong at once.
    pub fn from_url(url: &str) -> Result<Self> {
        let mut url = Url::read(SYSTEM, url, &["nats", "tls"], |_| PORT)?;
        let mut options = Self { tls: url.scheme == "tls", ..Self::default() };
        options.hosts = std::mem::take(&mut url.hosts);
        match (url.user.take(), url.password.take()) {
            (Some(token), None) => options.token = Some(Secret::new(token)),
            (user, password) => (options.user, options.password) = (user, password),
        }
        if url.path.as_deref().is_some_and(|path| !path.is_empty()) {
            url.wrong("the path", "a URL of nats has none; leave it out");
        }
        let file = |text: &str| Ok(Some(PathBuf::from(text)));
        let hidden = |text: &str| Ok(Some(Secret::new(text)));
        url.take("token", &mut options.token, hidden);
        url.take("nkey", &mut options.nkey, hidden);
        url.take("credentials_file", &mut options.credentials_file, file);
        url.take("tls", &mut options.tls, flag);
        url.take("tls_first", &mut options.tls_first, flag);
        url.take("ca_file", &mut options.ca_file, file);
        url.take("cert_file", &mut options.cert_file, file);
        url.take("key_file", &mut options.key_file, file);
        url.take("provision", &mut options.provision, |text| match text {
            "create" => Ok(Provision::Create),
            "verify" => Ok(Provision::Verify),
            "trust" => Ok(Provision::Trust),
            _ => Err(format!("`{text}` is none of `create`, `verify` and `trust`")),
        });
        url.take("on_gap", &mut options.on_gap, |text| match text {
            "stop" => Ok(OnGap::Stop),
            "skip" => Ok(OnGap::Skip),
            _ => Err(format!("`{text}` is neither `stop` nor `skip`")),
        });
        url.take("replicas", &mut options.replicas, number);
        url.take("duplicate_window", &mut options.duplicate_window, time);
        url.take("ack_wait", &mut options.ack_wait, time);
        url.take("pin_timeout", &mut options.pin_timeout, time);
        url.take("fetch", &mut options.fetch, number);
        url.take("idle_timeout", &mut options.idle_timeout, time);
        url.take("instance_expiry", &mut options.instance_expiry, time);
        url.take("ping_interval", &mut options.ping_interval, time);
        url.take("connect_timeout", &mut options.connect_timeout, time);
        url.take("request_timeout", &mut options.request_timeout, time);
        url.take("publish_timeout", &mut options.publish_timeout, time);
        url.take("confirm_timeout", &mut options.confirm_timeout, time);
        url.take("reconnect_max", &mut options.reconnect_max, time);
        url.take("publish_window", &mut options.publish_window, number);
        url.take("max_message", &mut options.max_message, number);
        options.streams = url
            .raw("stream.")
            .into_iter()
            .map(|(name, subjects)| (name, subjects.split(',').map(str::to_owned).collect()))
            .collect();
        for problem in options.problems() {
            url.wrong(problem.place(), problem.message());
        }
        url.finish()?;
        Ok(options)
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Option::<String>::deserialize(from).map(|text| text.map(Secret::new))
}

fn period<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration::read(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_everything() {
        let url = "tls://us%40er:se%2Fcret@one,two:7/?ack_wait=3s&fetch=5&on_gap=skip&ca_file=ca.pem\
                   &stream.EVENTS=shop.%3E,billing.%3E";
        let options = Nats::from_url(url).unwrap();
        assert_eq!(options.hosts, [("one".to_owned(), 4222), ("two".to_owned(), 7)]);
        assert_eq!(options.user.as_deref(), Some("us@er"));
        assert_eq!(
            (options.ack_wait, options.fetch, options.on_gap),
            (Duration::from_secs(3), 5, OnGap::Skip)
        );
        assert_eq!(
            options.streams,
            [("EVENTS".to_owned(), vec!["shop.>".to_owned(), "billing.>".to_owned()])]
        );
        assert!(options.tls && !format!("{options:?}").contains("/cret"));
        let token = Nats::from_url("nats://hunter2@h").unwrap();
        assert_eq!(token.token.as_ref().map(Secret::reveal), Some("hunter2"));
        assert!(!format!("{token:?}").contains("hunter2"));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let url = "nats://u:hunter2@h/x?fetch=0&ack_wait=fast&token=hunter3&colour=red&ca_file=x&replicas=9\
                   &instance_expiry=11m&on_gap=go&stream.a.b=x";
        let error = Nats::from_url(url).unwrap_err();
        let text = format!("{error} {error:?}");
        for part in [
            "the path",
            "`fetch`",
            "`ack_wait`",
            "`user`",
            "`colour`",
            "`tls`",
            "`replicas`",
            "`instance_expiry`",
            "neither `stop` nor `skip`",
            "`stream`",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("hunter"));
    }

    #[test]
    fn the_defaults_are_those_of_the_promises() {
        let options = Nats::default();
        assert_eq!((options.ack_wait, options.duplicate_window).0, Duration::from_secs(30));
        assert_eq!((options.duplicate_window, options.instance_expiry).0, Duration::from_secs(120));
        assert_eq!(options.instance_expiry, Duration::from_secs(600));
        options.check().unwrap();
    }

    #[test]
    fn a_file_says_the_same() {
        let text = r#"{"hosts": [["h", 1]], "token": "p", "ack_wait": "3s", "streams": [["S", ["a.>"]]]}"#;
        let options: Nats = serde_json::from_str(text).unwrap();
        assert_eq!((options.hosts.len(), options.streams.len()), (1, 1));
        assert_eq!(options.ack_wait, Duration::from_secs(3));
        assert!(serde_json::from_str::<Nats>(r#"{"colour": 1}"#).is_err());
    }
}
