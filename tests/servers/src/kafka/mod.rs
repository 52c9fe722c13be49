//! Kafka, without ZooKeeper: each node is broker and controller.

mod protocol;

use std::{ops::Deref, path::Path};

use anyhow::Result;

use self::protocol::Client;
use crate::{directory::Directory, install, ports, process::Launch, server::Server};

/// A cluster of one node, on a port of 127.0.0.1. No topic comes into being by being used.
#[derive(Debug)]
pub struct Kafka {
    server: Server,
    port: u16,
}

impl Kafka {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; its log is shown.
    pub fn start() -> Result<Self> {
        let jars = install::kafka()?;
        let directory = Directory::temporary("kafka")?;
        let (port, controller) = (ports::free()?, ports::free()?);
        let data = directory.path().join("data");
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             log.dirs={data}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.num.partitions=4\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=4\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data = data.display()
        );
        let file = directory.write("server.properties", properties)?;
        let logging = directory.write("log4j2.properties", LOGGING)?;
        let java = java(&jars, directory.path());
        let format =
            java.clone().args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]).args([&file]);
        format.output()?;
        let logging = format!("-Dlog4j2.configurationFile={}", logging.display());
        let launch = Launch::new("java", directory.path()).args(["-Xmx512m", &logging]).args(&java.args);
        let launch = launch.args(["kafka.Kafka".as_ref(), file.as_os_str()]);
        let server = Server::new("Kafka", directory, launch, move || Client::connect(port)?.ready(1));
        server.restart()?;
        Ok(Self { server, port })
    }

    /// For a backend: `kafka://127.0.0.1:9092`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port)
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
impl Deref for Kafka {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Any will do; it is sixteen bytes.
const CLUSTER: &str = "dHlwZWJ1cy10ZXN0cy4uLg";

/// Warnings, and what version it is.
const LOGGING: &str = "rootLogger.level = warn\n\
    rootLogger.appenderRef.out.ref = out\n\
    logger.version.name = org.apache.kafka.common.utils.AppInfoParser\n\
    logger.version.level = info\n\
    appender.out.type = Console\n\
    appender.out.name = out\n\
    appender.out.layout.type = PatternLayout\n\
    appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %m (%c{1})%n\n";

pub(crate) fn version(port: u16) -> Result<String> {
    Client::connect(port)?.version()
}

fn java(jars: &Path, folder: &Path) -> Launch {
    Launch::new("java", folder).args(["-cp".as_ref(), jars.join("*").as_os_str()])
}
