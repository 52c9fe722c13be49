//! What is NATS's own, on a real server.
//!
//! `cargo test -p typebus-tests --features nats --test nats`; `TYPEBUS_TEST_NATS_URL` says which server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod crash;
mod foreign;
mod help;
mod order;
mod outage;
mod publishing;
mod retention;
mod security;
mod starting;
