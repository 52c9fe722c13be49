//! How a node of RabbitMQ is set up.

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{RabbitMq, version};
use crate::{
    ask,
    certificates::{Certificates, Identity},
    directory::Directory,
    install,
    login::{ALICE, Login, MALLORY},
    ports,
    process::Launch,
    server::Server,
};

/// A node that is to be started.
#[derive(Debug, Default)]
pub struct Setup {
    secure: Option<(Certificates, Identity)>,
    mutual: bool,
    no_hashing: bool,
    lines: Vec<String>,
    folder: Option<PathBuf>,
    port: Option<u16>,
}

impl Setup {
    /// With users and a second port with TLS, where the server shows this certificate.
    ///
    /// [`ALICE`] may do everything, [`MALLORY`] may only connect. With a certificate of [`Certificates::client`], who
    /// chooses `EXTERNAL` is the user [`Certificates::CLIENT`], who may do everything.
    #[must_use]
    pub fn secure(mut self, certificates: &Certificates, identity: Identity) -> Self {
        self.secure = Some((certificates.clone(), identity));
        self
    }

    /// With TLS, clients have to show a certificate of [`Certificates::ca`] too.
    #[must_use]
    pub fn mutual(mut self) -> Self {
        self.mutual = true;
        self
    }

    /// Without the plugin `rabbitmq_consistent_hash_exchange`.
    #[must_use]
    pub fn without_hashing(mut self) -> Self {
        self.no_hashing = true;
        self
    }

    /// A line of its `rabbitmq.conf`: `consumer_timeout = 5000`.
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
    pub fn start(self) -> Result<RabbitMq> {
        let sbin = install::rabbitmq()?;
        let directory = Directory::of("rabbitmq", self.folder.as_deref())?;
        let port = self.port.map_or_else(ports::free, Ok)?;
        let tls_port = self.secure.is_some().then(ports::free).transpose()?;
        let names_port = ports::free()?;
        directory.write("enabled_plugins", self.plugins())?;
        directory.write("rabbitmq.conf", self.config(port, tls_port, directory.path())?)?;
        directory.write("definitions.json", definitions())?;
        let env = env(directory.path(), port, ports::free()?, names_port);
        let launch = |program: &str| {
            let launch = Launch::new(sbin.join(program), directory.path());
            env.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
        };
        // As if it had a console, its script becomes the broker, and does not stand between us and it. That it has none
        // is said to the broker itself.
        let server = launch("rabbitmq-server").args(["-noinput"]).env("RABBITMQ_ALLOW_INPUT", "1");
        let ctl = launch("rabbitmqctl");
        let names = names(names_port, &directory)?;
        let server = Server::new("RabbitMQ", directory, server, move || version(&ask::local(port)).map(drop));
        server.restart()?;
        let _certificates = self.secure.map(|(certificates, _)| certificates);
        Ok(RabbitMq { server, names, port, tls_port, ctl, _certificates })
    }

    fn plugins(&self) -> String {
        let hashing = (!self.no_hashing).then_some("rabbitmq_consistent_hash_exchange");
        let external = self.secure.as_ref().map(|_| "rabbitmq_auth_mechanism_ssl");
        let names: Vec<_> = hashing.into_iter().chain(external).collect();
        format!("[{}].\n", names.join(","))
    }

    fn config(&self, port: u16, tls_port: Option<u16>, folder: &Path) -> Result<String> {
        let mut text = format!("listeners.tcp.1 = 127.0.0.1:{port}\n");
        if let (Some((certificates, identity)), Some(tls_port)) = (&self.secure, tls_port) {
            let pem = certificates.server(*identity);
            writeln!(text, "load_definitions = {}", folder.join("definitions.json").display())?;
            writeln!(text, "listeners.ssl.1 = 127.0.0.1:{tls_port}")?;
            writeln!(text, "ssl_options.cacertfile = {}", certificates.ca().display())?;
            writeln!(text, "ssl_options.certfile = {}", pem.certificate.display())?;
            writeln!(text, "ssl_options.keyfile = {}", pem.key.display())?;
            writeln!(text, "ssl_options.verify = verify_peer")?;
            writeln!(text, "ssl_options.fail_if_no_peer_cert = {}", self.mutual)?;
            text += "ssl_cert_login_from = common_name\n";
            text += "auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = AMQPLAIN\nauth_mechanisms.3 = EXTERNAL\n";
        }
        for line in &self.lines {
            writeln!(text, "{line}")?;
        }
        Ok(text)
    }
}

/// Everything that would otherwise be looked for in `/etc` and `/var`.
fn env(folder: &Path, port: u16, distribution: u16, names: u16) -> [(&'static str, OsString); 13] {
    let file = |name: &str| folder.join(name).into_os_string();
    [
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("ERL_EPMD_PORT", names.to_string().into()),
        ("HOME", folder.into()),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", file("none")),
        ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", file("none")),
        ("RABBITMQ_DIST_PORT", distribution.to_string().into()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins")),
        ("RABBITMQ_LOGS", "-".into()),
        ("RABBITMQ_LOG_BASE", folder.into()),
        ("RABBITMQ_MNESIA_BASE", file("mnesia")),
        ("RABBITMQ_NODENAME", format!("typebus{port}@localhost").into()),
        ("RABBITMQ_PID_FILE", file("pid")),
    ]
}

/// Starts what knows the names of Erlang's nodes.
fn names(port: u16, of: &Directory) -> Result<Server> {
    let kept = of.temporary_path().is_none().then(|| of.path().join("names"));
    let directory = Directory::of("names", kept.as_deref())?;
    let launch =
        Launch::new("epmd", directory.path()).args(["-address", "127.0.0.1", "-port", &port.to_string()]);
    let answers = move || ask::connect(&ask::local(port)).map(drop);
    let names = Server::new("epmd", directory, launch, answers);
    names.restart()?;
    Ok(names)
}

/// The users, as RabbitMQ reads them at each start. No password here needs to be escaped.
fn definitions() -> String {
    let user = |Login { user, password }: Login, tags: &str| {
        format!(r#"{{"name":"{user}","password":"{password}","tags":"{tags}"}}"#)
    };
    let guest = Login { user: "guest", password: "guest" };
    let client = format!(r#"{{"name":"{}","password_hash":"","tags":""}}"#, Certificates::CLIENT);
    let users = [user(guest, "administrator"), user(ALICE, "administrator"), user(MALLORY, ""), client];
    let may = |user: &str, what: &str| {
        format!(r#"{{"user":"{user}","vhost":"/","configure":"{what}","write":"{what}","read":"{what}"}}"#)
    };
    let permissions = [
        may(guest.user, ".*"),
        may(ALICE.user, ".*"),
        may(MALLORY.user, "^$"),
        may(Certificates::CLIENT, ".*"),
    ];
    format!(
        r#"{{"vhosts":[{{"name":"/"}}],"users":[{}],"permissions":[{}]}}"#,
        users.join(","),
        permissions.join(",")
    )
}
