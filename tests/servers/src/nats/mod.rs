//! NATS with JetStream.

mod config;
mod jwt;
mod nkey;
#[cfg(test)]
mod tests;

use std::{
    io::{BufRead as _, BufReader},
    ops::Deref,
    path::PathBuf,
};

use anyhow::{Context as _, Result};

pub use self::config::{Auth, Setup};
use crate::{
    ask,
    certificates::Certificates,
    login::{Login, encode},
    server::Server,
};

/// A server of NATS with JetStream, on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    port: u16,
    scheme: &'static str,
    /// What stands before the `@` of a URL with the rights of everything.
    credentials: String,
    seed: Option<PathBuf>,
    file: Option<PathBuf>,
    _certificates: Option<Certificates>,
}

impl Nats {
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

    /// For a backend, of a user who may do everything: `nats://127.0.0.1:4222`, or `tls://..`.
    ///
    /// With [`Auth::NKey`] and [`Auth::Credentials`], what a user has is in [`seed_file`](Self::seed_file) and
    /// [`credentials_file`](Self::credentials_file).
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}127.0.0.1:{}", self.scheme, self.credentials, self.port)
    }

    /// Of another user: `nats://user:password@127.0.0.1:4222`.
    #[must_use]
    pub fn url_of(&self, login: &Login) -> String {
        format!("{}://{}@127.0.0.1:{}", self.scheme, login.in_url(), self.port)
    }

    /// With another token.
    #[must_use]
    pub fn url_with_token(&self, token: &str) -> String {
        format!("{}://{}@127.0.0.1:{}", self.scheme, encode(token), self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The file with the seed of the user's key, for [`Auth::NKey`].
    #[must_use]
    pub fn seed_file(&self) -> Option<PathBuf> {
        self.seed.clone()
    }

    /// The file with the user's JWT and seed, for [`Auth::Credentials`].
    #[must_use]
    pub fn credentials_file(&self) -> Option<PathBuf> {
        self.file.clone()
    }

    /// As the server says it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn version(&self) -> Result<String> {
        version(&ask::local(self.port))
    }
}

/// It can be stopped, killed, paused, and started again.
impl Deref for Nats {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

pub(crate) fn version(address: &str) -> Result<String> {
    let info = info(address)?;
    let (_, rest) = info.split_once("\"version\":\"").context("NATS says no version")?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

/// What a server says to whoever connects, before TLS.
fn info(address: &str) -> Result<String> {
    let mut line = String::new();
    BufReader::new(ask::connect(address)?).read_line(&mut line)?;
    line.strip_prefix("INFO ")
        .map(str::to_owned)
        .with_context(|| format!("what answers on {address} is not NATS"))
}
