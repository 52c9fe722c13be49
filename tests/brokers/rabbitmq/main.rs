//! What is RabbitMQ's own, on a real server.
//!
//! `cargo test -p typebus-tests --features rabbitmq --test rabbitmq`; `TYPEBUS_TEST_RABBITMQ_URL` says which server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

#[test]
fn a_server_is_there() {
    assert!(!typebus_servers::url("rabbitmq").is_empty());
}
