//! Servers for the steps that need them: the user's own, Docker's, or those of the native recipes.

use std::{env, process::Child};

use anyhow::{Context as _, Result};
use typebus_servers::{Broker, Running};

use crate::shell::Shell;

/// Where each service of `compose.yaml` is reached; it listens on the port of its variable.
const SERVICES: [(Broker, &str, &str); 3] = [
    (Broker::Kafka, "TYPEBUS_KAFKA_PORT", "kafka://127.0.0.1:"),
    (Broker::RabbitMq, "TYPEBUS_RABBITMQ_PORT", "amqp://guest:guest@127.0.0.1:"),
    (Broker::Nats, "TYPEBUS_NATS_PORT", "nats://127.0.0.1:"),
];

/// The servers of one run. They are brought up when a step asks for them, and ended when this is dropped; what was there
/// before is never ended.
#[derive(Debug)]
pub(crate) struct Supply {
    brokers: Vec<Broker>,
    without_docker: bool,
    servers: Option<Vec<Server>>,
}

/// One that answers.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) broker: Broker,
    pub(crate) url: String,
    origin: Origin,
    version: String,
}

#[derive(Debug)]
enum Origin {
    /// Somebody else's, and none of our business.
    Environment,
    Docker(#[expect(dead_code, reason = "it ends when it is dropped")] Option<Project>),
    Native(#[expect(dead_code, reason = "it ends when it is dropped")] Box<Running>),
}

/// What was started from `compose.yaml`, under a name of its own. It ends with us, in whatever way we end: a shell waits
/// for the end of its input, and nobody else holds the other end.
#[derive(Debug)]
struct Project(Child);

impl Supply {
    pub(crate) fn new(brokers: &[Broker], without_docker: bool) -> Self {
        let brokers = if brokers.is_empty() { &Broker::ALL } else { brokers };
        Self { brokers: brokers.to_vec(), without_docker, servers: None }
    }

    /// Which were asked for.
    pub(crate) fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// All that were asked for; it is an error if one cannot be had.
    pub(crate) fn servers(&mut self, shell: &Shell) -> Result<&[Server]> {
        if self.servers.is_none() {
            let servers = self.bring(shell)?;
            for server in &servers {
                println!("{}", server.note());
            }
            self.servers = Some(servers);
        }
        Ok(self.servers.as_deref().unwrap_or_default())
    }

    /// Ends what was started, and says what there was.
    pub(crate) fn end(&mut self) -> Vec<String> {
        self.servers.take().iter().flatten().map(Server::note).collect()
    }

    fn bring(&self, shell: &Shell) -> Result<Vec<Server>> {
        let mut servers = Vec::new();
        let mut missing = Vec::new();
        for &broker in &self.brokers {
            match env::var(broker.variable()).ok().filter(|url| !url.is_empty()) {
                Some(url) => servers.push(Server::new(broker, url, Origin::Environment)?),
                None => missing.push(broker),
            }
        }
        if !missing.is_empty() && !self.without_docker && docker_answers(shell, "docker") {
            servers.extend(from_docker(shell, "docker", &missing)?);
            missing.clear();
        }
        for broker in missing {
            println!("starting {broker} by its native recipe");
            let running = broker.start().with_context(|| format!("{broker} cannot be had"))?;
            servers.push(Server::new(broker, running.url(), Origin::Native(Box::new(running)))?);
        }
        Ok(servers)
    }
}

impl Server {
    /// Refuses one that does not answer, whoever said that it is there.
    fn new(broker: Broker, url: String, origin: Origin) -> Result<Self> {
        // With TLS, only its tests can tell.
        let is_asked = !url.starts_with("kafkas:") && !url.starts_with("amqps:");
        let version = if is_asked { broker.version_at(&url) } else { Ok("unknown version (TLS)".to_owned()) };
        let version =
            version.with_context(|| format!("{broker} at {} does not answer", without_credentials(&url)))?;
        Ok(Self { broker, url, origin, version })
    }

    /// For the steps; nothing, where they have it from us anyway. What is set here is shown, and what somebody else has
    /// set may hold a password.
    pub(crate) fn variable(&self) -> Option<(&'static str, &str)> {
        match self.origin {
            Origin::Environment => None,
            Origin::Docker(_) | Origin::Native(_) => Some((self.broker.variable(), &self.url)),
        }
    }

    fn note(&self) -> String {
        let origin = match self.origin {
            Origin::Environment => self.broker.variable(),
            Origin::Docker(_) => "Docker",
            Origin::Native(_) => "the native recipe",
        };
        let Self { broker, version, url, .. } = self;
        format!("{broker} {version} at {}, by {origin}", without_credentials(url))
    }
}

/// As it may be printed.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "(no URL)".to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, _path) = rest.split_at(end);
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    format!("{scheme}://{hosts}")
}

fn docker_answers(shell: &Shell, docker: &str) -> bool {
    shell.program(docker).args(["info"]).works() && shell.program(docker).args(["compose", "version"]).works()
}

fn from_docker(shell: &Shell, docker: &str, brokers: &[Broker]) -> Result<Vec<Server>> {
    let name = format!("typebus-test-{}", std::process::id());
    let services = SERVICES.iter().filter(|(broker, ..)| brokers.contains(broker));
    let services: Vec<_> = services
        .map(|&(broker, variable, url)| Ok((broker, variable, url, typebus_servers::free_port()?)))
        .collect::<Result<_>>()?;
    // Before, so that also half of it is ended.
    let project = Project::named(shell, docker, &name)?;
    let up = shell.program(docker).args(["compose", "--project-name", &name, "up", "--detach", "--wait"]);
    let up = services.iter().fold(up, |up, (_, variable, _, port)| up.env(variable, &port.to_string()));
    let up = up.args(services.iter().map(|(broker, ..)| broker.name())).run();
    up.context("Docker answers, but its servers do not start; `--without-docker` takes the native recipes")?;
    let mut project = Some(project);
    services
        .into_iter()
        .map(|(broker, _, url, port)| {
            Server::new(broker, format!("{url}{port}"), Origin::Docker(project.take()))
        })
        .collect()
}

impl Project {
    fn named(shell: &Shell, docker: &str, name: &str) -> Result<Self> {
        let script = r#"cat >/dev/null; exec "$1" compose --project-name "$2" down --volumes"#;
        let child = shell.program("sh").args(["-c", script, "sh", docker, name]).until_we_end()?;
        Ok(Self(child))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;

    /// A program that writes down how it was called, and by whose variables.
    fn docker(folder: &Path, status: u8) -> String {
        let path = folder.join("docker");
        let calls = folder.join("calls");
        let script = format!(
            "#!/bin/sh\necho \"$* ${{TYPEBUS_NATS_PORT:+port}}\" >>{}\nexit {status}\n",
            calls.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn what_docker_started_is_ended_also_when_it_does_not_answer() {
        let folder = tempfile::tempdir().unwrap();
        let docker = docker(folder.path(), 0);
        let shell = Shell::new(folder.path().to_owned());
        assert!(docker_answers(&shell, &docker));
        // Nobody listens there.
        let error = from_docker(&shell, &docker, &[Broker::Nats]).unwrap_err();
        assert!(error.to_string().starts_with("nats at nats://127.0.0.1:"), "{error:#}");
        let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
        let project = format!("compose --project-name typebus-test-{}", std::process::id());
        let expected = [
            "info ".to_owned(),
            "compose version ".to_owned(),
            format!("{project} up --detach --wait nats port"),
            format!("{project} down --volumes "),
        ];
        assert_eq!(calls.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn docker_without_a_daemon_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::new(folder.path().to_owned());
        assert!(!docker_answers(&shell, &docker(folder.path(), 1)));
        assert!(!docker_answers(&shell, "no-such-docker"));
    }

    #[test]
    fn a_server_that_does_not_answer_is_refused_without_its_password() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        drop(silent);
        let url = format!("nats://me:s3cret@127.0.0.1:{port}/x");
        let error = Server::new(Broker::Nats, url, Origin::Environment).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("does not answer") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn no_credentials_are_printed() {
        for (url, shown) in [
            ("amqp://guest:guest@127.0.0.1:5672", "amqp://127.0.0.1:5672"),
            ("kafkas://a:b%40c@one:1,two:2/?password=x", "kafkas://one:1,two:2"),
            ("secret", "(no URL)"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
