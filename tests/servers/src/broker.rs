//! Which brokers there are.

use std::{fmt, str::FromStr};

use anyhow::bail;

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
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Broker {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        let Some(broker) = Self::ALL.into_iter().find(|broker| broker.name() == name) else {
            bail!("there is no broker {name:?}; there are kafka, rabbitmq and nats");
        };
        Ok(broker)
    }
}
