//! RabbitMQ.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    ops::Deref,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{directory::Directory, install, ports, process::Launch, server::Server};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(2);

/// A node of RabbitMQ, on a port of 127.0.0.1.
#[derive(Debug)]
pub struct RabbitMq {
    server: Server,
    /// The names of Erlang's nodes: one of its own, so that no other is asked and none stays.
    _names: Server,
    port: u16,
    ctl: Launch,
}

impl RabbitMq {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; its log is shown.
    pub fn start() -> Result<Self> {
        let sbin = install::rabbitmq()?;
        let directory = Directory::temporary("rabbitmq")?;
        let (port, distribution, names) = (ports::free()?, ports::free()?, ports::free()?);
        let plugins = directory.write("enabled_plugins", "[rabbitmq_consistent_hash_exchange].\n")?;
        let config = directory.write("rabbitmq.conf", format!("listeners.tcp.1 = 127.0.0.1:{port}\n"))?;
        let folder = directory.path().to_owned();
        let file = |name: &str| folder.join(name).into_os_string();
        let env: [(&str, OsString); 13] = [
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("ERL_EPMD_PORT", names.to_string().into()),
            ("HOME", folder.clone().into()),
            ("RABBITMQ_CONFIG_FILE", config.into()),
            ("RABBITMQ_CONF_ENV_FILE", file("none")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", file("none")),
            ("RABBITMQ_DIST_PORT", distribution.to_string().into()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", plugins.into()),
            ("RABBITMQ_LOGS", "-".into()),
            ("RABBITMQ_LOG_BASE", folder.clone().into()),
            ("RABBITMQ_MNESIA_BASE", file("mnesia")),
            ("RABBITMQ_NODENAME", format!("typebus{port}@localhost").into()),
            ("RABBITMQ_PID_FILE", file("pid")),
        ];
        let launch = |program: &str| {
            let launch = Launch::new(sbin.join(program), &folder);
            env.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
        };
        // As if it had a console, its script becomes the broker, and does not stand between us and it. Then it says
        // itself that it has none, and that SIGINT ends it.
        let server = launch("rabbitmq-server").args(["-noinput", "+Bd"]).env("RABBITMQ_ALLOW_INPUT", "1");
        let ctl = launch("rabbitmqctl");
        let epmd = Launch::new("epmd", &folder).args(["-address", "127.0.0.1", "-port", &names.to_string()]);
        let names_of = Directory::temporary("epmd")?;
        let names = Server::new("epmd", names_of, epmd, move || {
            Ok(drop(TcpStream::connect((Ipv4Addr::LOCALHOST, names))?))
        });
        names.restart()?;
        let server = Server::new("RabbitMQ", directory, server, move || version(port).map(drop));
        server.restart()?;
        Ok(Self { server, _names: names, port, ctl })
    }

    /// For a backend: `amqp://guest:guest@127.0.0.1:5672`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// As the server says it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn version(&self) -> Result<String> {
        version(self.port)
    }

    /// Calls `rabbitmqctl` for this node, and gives what it prints: `ctl(&["list_queues", "name"])`.
    ///
    /// # Errors
    /// It failed; what it printed is shown.
    pub fn ctl(&self, args: &[&str]) -> Result<String> {
        self.ctl.clone().args(["--quiet"]).args(args).output()
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
pub(crate) fn version(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let [1, 0, 0, rest @ ..] = head else { bail!("what answers is not RabbitMQ") };
    let mut frame = vec![0; u32::from_be_bytes(rest) as usize];
    stream.read_exact(&mut frame)?;
    let name = b"\x07versionS";
    let at = frame.windows(name.len()).position(|bytes| bytes == name).context("RabbitMQ says no version")?;
    let (length, rest) =
        frame[at + name.len()..].split_at_checked(4).context("a frame that ends too early")?;
    let length = u32::from_be_bytes(length.try_into()?) as usize;
    let version = rest.get(..length).context("a frame that ends too early")?;
    Ok(String::from_utf8(version.to_owned())?)
}
