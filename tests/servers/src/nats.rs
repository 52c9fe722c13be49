//! NATS with JetStream.

use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpStream},
    ops::Deref,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{directory::Directory, install, ports, process::Launch, server::Server};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(2);

/// A server of NATS with JetStream, on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    port: u16,
}

impl Nats {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; its log is shown.
    pub fn start() -> Result<Self> {
        let directory = Directory::temporary("nats")?;
        let port = ports::free()?;
        let store = directory.path().join("jetstream");
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: \"typebus-{port}\"\njetstream {{ store_dir: {store:?} }}\n"
        );
        let config = directory.write("nats.conf", text)?;
        let launch =
            Launch::new(install::nats()?, directory.path()).args(["-c".as_ref(), config.as_os_str()]);
        let server = Server::new("NATS", directory, launch, move || info(port).map(drop));
        server.restart()?;
        Ok(Self { server, port })
    }

    /// For a backend: `nats://127.0.0.1:4222`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
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
}

/// It can be stopped, killed, paused, and started again.
impl Deref for Nats {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

pub(crate) fn version(port: u16) -> Result<String> {
    let info = info(port)?;
    let (_, rest) = info.split_once("\"version\":\"").context("NATS says no version")?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

/// What a server says to whoever connects.
fn info(port: u16) -> Result<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    line.strip_prefix("INFO ").map(str::to_owned).context("what answers is not NATS")
}
