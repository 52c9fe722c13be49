//! Kafka, without ZooKeeper: each node is broker and controller.

mod cluster;
mod config;
mod listener;
mod protocol;
mod right;

use std::{collections::BTreeMap, ops::Deref};

use anyhow::Result;

use self::protocol::Client;
pub use self::{
    cluster::KafkaCluster,
    config::Setup,
    listener::Listener,
    right::{Kind, Operation},
};
use crate::{ask, certificates::Certificates, login::Login, proxy::Proxy, server::Server};

/// A node of Kafka, on ports of 127.0.0.1; by itself a whole cluster. No topic comes into being by being used.
#[derive(Debug)]
pub struct Kafka {
    server: Server,
    ports: BTreeMap<Listener, u16>,
    proxy: Option<Proxy>,
    _certificates: Option<Certificates>,
}

impl Kafka {
    /// Starts one without users, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; its log is shown.
    pub fn start() -> Result<Self> {
        Self::setup().start()
    }

    /// One that is not like that.
    #[must_use]
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// For a backend: `kafka://127.0.0.1:9092`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("kafka://{}", self.address())
    }

    /// For a backend, with a user: `kafka://user:password@127.0.0.1:9093`, or `kafkas://..`, where it has that listener.
    #[must_use]
    pub fn url_of(&self, listener: Listener, login: Option<&Login>) -> Option<String> {
        let scheme = if listener.is_tls() { "kafkas" } else { "kafka" };
        let login = login.map(|login| login.in_url() + "@").unwrap_or_default();
        Some(format!("{scheme}://{login}{}", self.address_of(listener)?))
    }

    /// `127.0.0.1:9092`, without TLS and users.
    #[must_use]
    pub fn address(&self) -> String {
        ask::local(self.port())
    }

    /// `127.0.0.1:9093`, where it has that listener.
    #[must_use]
    pub fn address_of(&self, listener: Listener) -> Option<String> {
        self.ports.get(&listener).map(|&port| ask::local(port))
    }

    /// Its port without TLS and users.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.get(&Listener::Plaintext).copied().unwrap_or_default()
    }

    /// What clients of [`Listener::Proxied`] come through.
    #[must_use]
    pub const fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// As the server says it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn version(&self) -> Result<String> {
        version(&self.address())
    }

    /// Makes a topic; it is there when this returns.
    ///
    /// # Errors
    /// There is such a topic, or Kafka refuses it.
    pub fn create_topic(&self, topic: &str, partitions: i32, replicas: i16) -> Result<()> {
        Client::connect(&self.address())?.create_topic(topic, partitions, replicas)
    }

    /// Gives a user of a [secure](Setup::secure) one a right on everything of this kind whose name begins so.
    ///
    /// # Errors
    /// Kafka refuses it, as one does that is not secure.
    pub fn allow(&self, login: &Login, operation: Operation, kind: Kind, prefix: &str) -> Result<()> {
        Client::connect(&self.address())?.allow(login.user, kind.code(), prefix, operation.code())
    }
}

/// It can be stopped, killed, paused, and started again.
impl Deref for Kafka {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

pub(crate) fn version(address: &str) -> Result<String> {
    Client::connect(address)?.version()
}
