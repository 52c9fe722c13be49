//! Real brokers on this machine: started, harmed and ended by a test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

/// The URL of the server that the tests share: `TYPEBUS_TEST_KAFKA_URL` and the like.
///
/// # Panics
/// Nothing says which server: a broker that was asked for and cannot be had fails the run.
#[must_use]
pub fn url(broker: &str) -> String {
    let variable = format!("TYPEBUS_TEST_{}_URL", broker.to_uppercase());
    std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} is not set; `cargo xtask test` sets it"))
}
