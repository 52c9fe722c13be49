//! Three nodes, so that one can be lost.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    Kafka,
    config::{Quorum, Setup},
    protocol::Client,
};
use crate::{ask, ports};

const NODES: usize = 3;
/// How long the nodes may take to agree on something.
const AGREED: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(100);

/// A cluster of three nodes. Two are enough for it to work.
#[derive(Debug)]
pub struct KafkaCluster {
    nodes: Vec<Kafka>,
}

impl KafkaCluster {
    /// Starts it and waits until every node knows the others.
    ///
    /// # Errors
    /// It cannot be installed, or it is not ready within two minutes; a log is shown.
    pub fn start() -> Result<Self> {
        Self::with(&Setup::default())
    }

    /// The same, of nodes that are set up in this way.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn with(setup: &Setup) -> Result<Self> {
        let controllers = (0..NODES).map(|_| ports::free()).collect::<Result<Vec<_>>>()?;
        let quorum = |nth| Quorum { nth, controllers: controllers.clone() };
        let nodes = (0..NODES).map(|nth| setup.node(&quorum(nth))).collect::<Result<Vec<_>>>()?;
        // One alone is no majority: all of them start before any of them is ready.
        nodes.iter().try_for_each(|node| node.launch())?;
        nodes.iter().try_for_each(|node| node.wait_ready())?;
        let cluster = Self { nodes };
        let all: Vec<_> = (0..NODES).map(|nth| quorum(nth).id()).collect();
        for node in &cluster.nodes {
            until(|| Client::connect(&node.address())?.knows(&all))?;
        }
        Ok(cluster)
    }

    /// For a backend: `kafka://127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094`.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Kafka::address).collect();
        format!("kafka://{}", addresses.join(","))
    }

    /// Its nodes: the one with the id `n` is the `n - 1`st.
    #[must_use]
    pub fn nodes(&self) -> &[Kafka] {
        &self.nodes
    }

    /// The node that leads a partition; waits while there is none.
    ///
    /// # Errors
    /// There is no such partition, or nobody leads it within a minute.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<&Kafka> {
        let deadline = Instant::now() + AGREED;
        loop {
            let leads = Client::connect(&self.running()?.address())?.leader(topic, partition)?;
            let leader = leads.map(|id| self.with_id(id)).transpose()?;
            if let Some(leader) = leader.filter(|node| node.is_running()) {
                return Ok(leader);
            }
            if Instant::now() >= deadline {
                bail!("nobody who runs leads {topic}/{partition} after {AGREED:?}; {leads:?} is said to");
            }
            thread::sleep(GLANCE);
        }
    }

    /// Makes a topic; every node that runs knows it when this returns.
    ///
    /// # Errors
    /// There is such a topic, or Kafka refuses it.
    pub fn create_topic(&self, topic: &str, partitions: i32, replicas: i16) -> Result<()> {
        self.running()?.create_topic(topic, partitions, replicas)?;
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            until(|| Client::connect(&ask::local(node.port()))?.leader(topic, partitions - 1).map(drop))?;
        }
        Ok(())
    }

    fn running(&self) -> Result<&Kafka> {
        self.nodes.iter().find(|node| node.is_running()).context("no node of the cluster runs")
    }

    fn with_id(&self, id: i32) -> Result<&Kafka> {
        let nth = usize::try_from(id - 1).ok();
        nth.and_then(|nth| self.nodes.get(nth)).with_context(|| format!("there is no node {id}"))
    }
}

/// Asks until it succeeds; its last error when the time is over.
fn until(mut ask: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + AGREED;
    while let Err(error) = ask() {
        if Instant::now() >= deadline {
            return Err(error.context(format!("still so after {AGREED:?}")));
        }
        thread::sleep(GLANCE);
    }
    Ok(())
}
