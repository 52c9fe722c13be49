//! How a node of Kafka is set up.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{Kafka, listener::Listener, protocol::Client};
use crate::{
    ask,
    certificates::Certificates,
    directory::Directory,
    install,
    login::{ALICE, MALLORY},
    ports,
    process::Launch,
    proxy::Proxy,
    server::Server,
};

/// Any will do; it is sixteen bytes.
const CLUSTER: &str = "dHlwZWJ1cy10ZXN0cy4uLg";

/// What is wrong, and what version it is.
const LOGGING: &str = "rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.version.name = org.apache.kafka.common.utils.AppInfoParser
logger.version.level = info
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %m (%c{1})%n
";

/// What differs from Kafka's defaults on every node: small, quick, and a topic that is missing is seen.
const PROPERTIES: &str = "process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
";

/// A node that is to be started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    secure: Option<Certificates>,
    proxied: bool,
    properties: Vec<(String, String)>,
    folder: Option<PathBuf>,
    port: Option<u16>,
}

/// What a node knows of its cluster.
#[derive(Debug, Clone)]
pub(super) struct Quorum {
    /// Its place among the controllers.
    pub(super) nth: usize,
    /// The ports of all controllers.
    pub(super) controllers: Vec<u16>,
}

impl Setup {
    /// With every [`Listener`] that has users or TLS, at once.
    ///
    /// [`ALICE`] may do everything, as may who shows a certificate of [`Certificates::client`], and [`MALLORY`] may only
    /// connect.
    #[must_use]
    pub fn secure(mut self, certificates: &Certificates) -> Self {
        self.secure = Some(certificates.clone());
        self
    }

    /// With [`Listener::Proxied`]: whoever comes in through the proxy is told to come back through it.
    #[must_use]
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// A line of its `server.properties`.
    #[must_use]
    pub fn property(mut self, name: &str, value: impl ToString) -> Self {
        self.properties.push((name.to_owned(), value.to_string()));
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
    pub fn start(self) -> Result<Kafka> {
        let quorum = Quorum { nth: 0, controllers: vec![ports::free()?] };
        let kafka = self.node(&quorum)?;
        kafka.restart()?;
        Ok(kafka)
    }

    /// A node that does not run yet.
    pub(super) fn node(&self, quorum: &Quorum) -> Result<Kafka> {
        let jars = install::kafka()?;
        let directory = Directory::of("kafka", self.folder.as_deref())?;
        let mut ports = BTreeMap::from([(Listener::Plaintext, self.port.map_or_else(ports::free, Ok)?)]);
        let mut proxy = None;
        if self.proxied {
            let port = ports::free()?;
            proxy = Some((Proxy::to(port)?, port));
        }
        if self.secure.is_some() {
            for listener in Listener::SECURE {
                ports.insert(listener, ports::free()?);
            }
        }
        let proxy_ports = proxy.as_ref().map(|(proxy, port)| (proxy.port(), *port));
        let text = self.text(quorum, &ports, proxy_ports, directory.path())?;
        let file = directory.write("server.properties", text)?;
        let logging = directory.write("log4j2.properties", LOGGING)?;
        let mut logging_option = std::ffi::OsString::from("-Dlog4j2.configurationFile=");
        logging_option.push(logging);
        let java = Launch::new("java", directory.path()).args([&logging_option]);
        let java = java.args(["-cp".as_ref(), jars.join("*").as_os_str()]);
        let format =
            java.clone().args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]).args([&file]);
        format.args(self.scram()).output()?;
        let heap = if quorum.controllers.len() > 1 { "-Xmx320m" } else { "-Xmx512m" };
        let launch = java.args([heap, "kafka.Kafka"]).args([&file]);
        let port = ports[&Listener::Plaintext];
        if let Some((proxy, _)) = &proxy {
            ports.insert(Listener::Proxied, proxy.port());
        }
        let id = quorum.id();
        let answers = move || Client::connect(&ask::local(port))?.knows(&[id]);
        let server = Server::new(format!("Kafka (node {id})"), directory, launch, answers);
        Ok(Kafka { server, ports, proxy: proxy.map(|(proxy, _)| proxy), _certificates: self.secure.clone() })
    }

    /// Its `server.properties`.
    fn text(
        &self,
        quorum: &Quorum,
        ports: &BTreeMap<Listener, u16>,
        proxy: Option<(u16, u16)>,
        folder: &Path,
    ) -> Result<String> {
        let id = quorum.id();
        let controller = quorum.controllers.get(quorum.nth).context("a node of no cluster")?;
        let address = |name: &str, port: u16| format!("{name}://127.0.0.1:{port}");
        let mut advertised: Vec<_> =
            ports.iter().map(|(listener, &port)| address(listener.name(), port)).collect();
        let mut listeners = advertised.clone();
        listeners.push(address("CONTROLLER", *controller));
        if let Some((seen, behind)) = proxy {
            advertised.push(address(Listener::Proxied.name(), seen));
            listeners.push(address(Listener::Proxied.name(), behind));
        }
        let names = ports.keys().copied().chain([Listener::Proxied]);
        let protocols: Vec<_> =
            names.map(|listener| format!("{}:{}", listener.name(), listener.protocol())).collect();
        let voters: Vec<_> =
            (1..).zip(&quorum.controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        let replicas = quorum.controllers.len();
        let enough = replicas.min(2);
        let mut text = PROPERTIES.to_owned();
        writeln!(text, "node.id={id}\nlog.dirs={}", folder.join("data").display())?;
        writeln!(text, "controller.quorum.voters={}", voters.join(","))?;
        writeln!(text, "listeners={}\nadvertised.listeners={}", listeners.join(","), advertised.join(","))?;
        writeln!(text, "listener.security.protocol.map=CONTROLLER:PLAINTEXT,{}", protocols.join(","))?;
        writeln!(text, "offsets.topic.replication.factor={replicas}")?;
        writeln!(text, "transaction.state.log.replication.factor={replicas}")?;
        writeln!(text, "transaction.state.log.min.isr={enough}")?;
        writeln!(text, "share.coordinator.state.topic.replication.factor={replicas}")?;
        writeln!(text, "share.coordinator.state.topic.min.isr={enough}")?;
        if let Some(certificates) = &self.secure {
            secure(&mut text, certificates, ports.keys().copied())?;
        }
        for (name, value) in &self.properties {
            writeln!(text, "{name}={value}")?;
        }
        Ok(text)
    }

    /// SCRAM's users are part of the data.
    fn scram(&self) -> Vec<String> {
        let mut args = Vec::new();
        for user in self.secure.iter().flat_map(|_| [ALICE, MALLORY]) {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                args.push("--add-scram".to_owned());
                args.push(format!("{mechanism}=[name={},password={}]", user.user, user.password));
            }
        }
        args
    }
}

impl Quorum {
    pub(super) fn id(&self) -> i32 {
        i32::try_from(self.nth).unwrap_or_default() + 1
    }
}

/// Users, their rights, and what each listener with TLS shows.
fn secure(
    text: &mut String,
    certificates: &Certificates,
    listeners: impl Iterator<Item = Listener>,
) -> Result<()> {
    writeln!(text, "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer")?;
    writeln!(text, "super.users=User:ANONYMOUS;User:{};User:{}", ALICE.user, Certificates::CLIENT)?;
    writeln!(text, "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")?;
    writeln!(text, "ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/")?;
    for listener in listeners {
        let name = format!("listener.name.{}", listener.name().to_lowercase());
        if let Some(identity) = listener.identity() {
            writeln!(text, "{name}.ssl.keystore.type=PEM")?;
            writeln!(text, "{name}.ssl.keystore.location={}", certificates.server(identity).both.display())?;
            writeln!(text, "{name}.ssl.truststore.type=PEM")?;
            writeln!(text, "{name}.ssl.truststore.location={}", certificates.ca().display())?;
            let auth = if listener == Listener::Mutual { "required" } else { "none" };
            writeln!(text, "{name}.ssl.client.auth={auth}")?;
        }
        if listener.has_users() {
            let of =
                |module: &str| format!("sasl.jaas.config=org.apache.kafka.common.security.{module} required");
            let users = [ALICE, MALLORY].map(|login| format!("user_{}=\"{}\"", login.user, login.password));
            writeln!(text, "{name}.plain.{} {};", of("plain.PlainLoginModule"), users.join(" "))?;
            for scram in ["scram-sha-256", "scram-sha-512"] {
                writeln!(text, "{name}.{scram}.{};", of("scram.ScramLoginModule"))?;
            }
        }
    }
    Ok(())
}
