//! What is RabbitMQ's own, on a real server.
//!
//! `cargo test -p typebus-tests --features rabbitmq --test rabbitmq`; `TYPEBUS_TEST_RABBITMQ_URL` says which server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on panics, and waits for the tasks that it spawns"
)]

mod confirms;
mod crash;
mod flow;
mod foreign;
mod help;
mod order;
mod outage;
mod security;
mod topology;
