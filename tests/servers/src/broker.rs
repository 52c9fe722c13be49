//! Which brokers there are, and a server of each that is like any other.

use std::{fmt, str::FromStr};

use anyhow::{Result, bail};

use crate::{Kafka, Nats, RabbitMq, Server, kafka, nats, rabbitmq};

/// A broker that typebus has a backend for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Broker {
    /// Apache Kafka.
    Kafka,
    /// RabbitMQ.
    RabbitMq,
    /// NATS with JetStream.
    Nats,
}

/// A server without users and TLS.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are three of them at most")]
pub enum Running {
    /// Apache Kafka.
    Kafka(Kafka),
    /// RabbitMQ.
    RabbitMq(RabbitMq),
    /// NATS with JetStream.
    Nats(Nats),
}

impl Broker {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kafka, Self::RabbitMq, Self::Nats];

    /// As it is written in commands, features and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::RabbitMq => "rabbitmq",
            Self::Nats => "nats",
        }
    }

    /// The environment variable with the URL of the server that the tests share.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Kafka => "TYPEBUS_TEST_KAFKA_URL",
            Self::RabbitMq => "TYPEBUS_TEST_RABBITMQ_URL",
            Self::Nats => "TYPEBUS_TEST_NATS_URL",
        }
    }

    /// The port that it has everywhere.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Kafka => 9092,
            Self::RabbitMq => 5672,
            Self::Nats => 4222,
        }
    }

    /// Starts one by the native recipe, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; its log is shown.
    pub fn start(self) -> Result<Running> {
        Ok(match self {
            Self::Kafka => Running::Kafka(Kafka::start()?),
            Self::RabbitMq => Running::RabbitMq(RabbitMq::start()?),
            Self::Nats => Running::Nats(Nats::start()?),
        })
    }

    /// The version of the server at this URL, as that one says it.
    ///
    /// # Errors
    /// It does not answer, or only with TLS.
    pub fn version_at(self, url: &str) -> Result<String> {
        let Some((scheme, rest)) = url.split_once("://") else { bail!("this is no URL of {self}") };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let host = hosts.split(',').next().unwrap_or_default();
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { host.to_owned() } else { format!("{host}:{}", self.port()) };
        if matches!(scheme, "kafkas" | "amqps") {
            bail!("{address} is asked for its version only without TLS");
        }
        match self {
            Self::Kafka => kafka::version(&address),
            Self::RabbitMq => rabbitmq::version(&address),
            Self::Nats => nats::version(&address),
        }
    }
}

impl Running {
    /// For a backend, of a user who may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Kafka(kafka) => kafka.url(),
            Self::RabbitMq(rabbitmq) => rabbitmq.url(),
            Self::Nats(nats) => nats.url(),
        }
    }

    /// As the server says it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn version(&self) -> Result<String> {
        match self {
            Self::Kafka(kafka) => kafka.version(),
            Self::RabbitMq(rabbitmq) => rabbitmq.version(),
            Self::Nats(nats) => nats.version(),
        }
    }

    /// Its processes, in the order in which they are ended.
    pub(crate) fn servers(&self) -> Vec<&Server> {
        match self {
            Self::Kafka(kafka) => vec![kafka],
            Self::RabbitMq(rabbitmq) => rabbitmq.servers().to_vec(),
            Self::Nats(nats) => vec![nats],
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Broker {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let Some(broker) = Self::ALL.into_iter().find(|broker| broker.name() == name) else {
            bail!("there is no broker {name:?}; there are kafka, rabbitmq and nats");
        };
        Ok(broker)
    }
}
