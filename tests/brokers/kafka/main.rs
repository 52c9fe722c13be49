//! What is Kafka's own, on a real server.
//!
//! `cargo test -p typebus-tests --features kafka --test kafka`; `TYPEBUS_TEST_KAFKA_URL` says which server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod basics;
mod crash;
mod desk;
mod faults;
mod handover;
mod leaders;
mod letters;
mod others;
mod publishing;
mod security;
mod starting;
