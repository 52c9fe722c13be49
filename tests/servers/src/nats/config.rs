//! How a server of NATS is set up.

use std::{fmt::Write as _, path::Path, path::PathBuf};

use anyhow::Result;

use super::{Nats, info, jwt, nkey::Key};
use crate::{
    ask,
    certificates::{Certificates, Identity},
    directory::Directory,
    install,
    login::{ALICE, MALLORY, encode},
    ports,
    process::Launch,
    server::Server,
};

/// What a client has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// [`ALICE`] may do everything, [`MALLORY`] may only connect.
    Password,
    /// The token [`ALICE`]`.password`.
    Token,
    /// A key, whose seed is in [`Nats::seed_file`].
    NKey,
    /// A JWT of an operator's account and a key, both in [`Nats::credentials_file`].
    Credentials,
}

/// A server that is to be started.
#[derive(Debug, Default)]
pub struct Setup {
    auth: Auth,
    tls: Option<(Certificates, Identity)>,
    mutual: bool,
    lines: Vec<String>,
    folder: Option<PathBuf>,
    port: Option<u16>,
}

impl Setup {
    /// What clients have to show.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Only with TLS; the server shows this certificate.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates, identity: Identity) -> Self {
        self.tls = Some((certificates.clone(), identity));
        self
    }

    /// With TLS, clients have to show a certificate of [`Certificates::ca`] too.
    #[must_use]
    pub fn mutual(mut self) -> Self {
        self.mutual = true;
        self
    }

    /// A line of its configuration file: `max_payload: 1MB`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// On this port.
    #[must_use]
    pub fn at(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    pub(crate) fn kept_in(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; its log is shown.
    pub fn start(self) -> Result<Nats> {
        let program = install::nats()?;
        let directory = Directory::of("nats", self.folder.as_deref())?;
        let port = self.port.map_or_else(ports::free, Ok)?;
        let mut text = format!("listen: \"127.0.0.1:{port}\"\nserver_name: \"typebus-{port}\"\n");
        writeln!(text, "jetstream {{ store_dir: {:?} }}", directory.path().join("jetstream"))?;
        let mut nats = Credentials::default();
        text += &nats.of(self.auth, &directory)?;
        if let Some((certificates, identity)) = &self.tls {
            let pem = certificates.server(*identity);
            let (certificate, key) = (pem.certificate, pem.key);
            write!(text, "tls {{ cert_file: {certificate:?}, key_file: {key:?}, timeout: 5")?;
            if self.mutual {
                write!(text, ", ca_file: {:?}, verify: true", certificates.ca())?;
            }
            text += " }\n";
        }
        for line in &self.lines {
            writeln!(text, "{line}")?;
        }
        let config = directory.write("nats.conf", text)?;
        let launch = Launch::new(program, directory.path()).args(["-c".as_ref(), config.as_os_str()]);
        let server = Server::new("NATS", directory, launch, move || info(&ask::local(port)).map(drop));
        server.restart()?;
        let scheme = if self.tls.is_some() { "tls" } else { "nats" };
        let Credentials { url: credentials, seed, file } = nats;
        let _certificates = self.tls.map(|(certificates, _)| certificates);
        Ok(Nats { server, port, scheme, credentials, seed, file, _certificates })
    }
}

/// What the user who may do everything has.
#[derive(Debug, Default)]
struct Credentials {
    url: String,
    seed: Option<PathBuf>,
    file: Option<PathBuf>,
}

impl Credentials {
    /// Makes them, and says what the server has to be told.
    fn of(&mut self, auth: Auth, directory: &Directory) -> Result<String> {
        Ok(match auth {
            Auth::None => String::new(),
            Auth::Password => {
                self.url = format!("{}@", ALICE.in_url());
                let nothing = "{ publish: { deny: \">\" }, subscribe: { deny: \">\" } }";
                format!(
                    "authorization {{ users: [\n  {{ user: {:?}, password: {:?} }}\n  \
                     {{ user: {:?}, password: {:?}, permissions: {nothing} }}\n] }}\n",
                    ALICE.user, ALICE.password, MALLORY.user, MALLORY.password
                )
            }
            Auth::Token => {
                self.url = format!("{}@", encode(ALICE.password));
                format!("authorization {{ token: {:?} }}\n", ALICE.password)
            }
            Auth::NKey => {
                let key = Key::user()?;
                self.seed = Some(directory.write("user.nk", key.seed()?)?);
                format!("authorization {{ users: [ {{ nkey: {} }} ] }}\n", key.public())
            }
            Auth::Credentials => {
                let issued = jwt::issue()?;
                self.file = Some(directory.write("user.creds", issued.credentials)?);
                issued.config
            }
        })
    }
}
