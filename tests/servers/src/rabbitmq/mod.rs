//! RabbitMQ.

mod config;

use std::{
    io::{Read as _, Write as _},
    ops::Deref,
};

use anyhow::{Context as _, Result, bail};

pub use self::config::Setup;
use crate::{ask, certificates::Certificates, login::Login, process::Launch, server::Server};

/// A node of RabbitMQ, on a port of 127.0.0.1.
#[derive(Debug)]
pub struct RabbitMq {
    server: Server,
    /// The names of Erlang's nodes: a server of its own, so that nobody else's is asked and none stays.
    names: Server,
    port: u16,
    tls_port: Option<u16>,
    ctl: Launch,
    _certificates: Option<Certificates>,
}

impl RabbitMq {
    /// Starts one with the user `guest` alone, and waits until it is ready.
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

    /// For a backend, of a user who may do everything: `amqp://guest:guest@127.0.0.1:5672`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    /// Of a user of a [secure](Setup::secure) one: `amqp://user:password@127.0.0.1:5672`.
    #[must_use]
    pub fn url_of(&self, login: &Login) -> String {
        format!("amqp://{}@127.0.0.1:{}", login.in_url(), self.port)
    }

    /// The same with TLS, `amqps://user:password@127.0.0.1:5671`, where it has that.
    #[must_use]
    pub fn tls_url_of(&self, login: &Login) -> Option<String> {
        Some(format!("amqps://{}@127.0.0.1:{}", login.in_url(), self.tls_port?))
    }

    /// Its port without TLS.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its port with TLS, where it has that.
    #[must_use]
    pub const fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    /// As the server says it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn version(&self) -> Result<String> {
        version(&ask::local(self.port))
    }

    /// Calls `rabbitmqctl` for this node, and gives what it prints: `ctl(&["list_queues", "name"])`.
    ///
    /// # Errors
    /// It failed; what it printed is shown.
    pub fn ctl(&self, args: &[&str]) -> Result<String> {
        self.ctl.clone().args(["--quiet"]).args(args).output()
    }

    /// Every process of it, as long as it runs.
    pub(crate) fn servers(&self) -> [&Server; 2] {
        [&self.server, &self.names]
    }
}

/// It can be stopped, killed, paused, and started again.
impl Deref for RabbitMq {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// From what a server says first: `connection.start` and its properties.
pub(crate) fn version(address: &str) -> Result<String> {
    let mut stream = ask::connect(address)?;
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let [1, 0, 0, length @ ..] = head else { bail!("what answers on {address} is not RabbitMQ") };
    let mut frame = Vec::new();
    stream.take(u32::from_be_bytes(length).into()).read_to_end(&mut frame)?;
    let name = b"\x07versionS";
    let at = frame.windows(name.len()).position(|bytes| bytes == name).context("RabbitMQ says no version")?;
    let (length, rest) =
        frame[at + name.len()..].split_first_chunk().context("a frame that ends too early")?;
    let version = rest.get(..u32::from_be_bytes(*length) as usize).context("a frame that ends too early")?;
    Ok(String::from_utf8(version.to_owned())?)
}
