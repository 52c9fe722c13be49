//! `typebus provision` on NATS.
//!
//! `cargo test -p typebus-cli --features nats --test nats`; `TYPEBUS_TEST_NATS_URL` says which server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test panics")]

#[path = "../command/call.rs"]
#[allow(dead_code, reason = "the tests without a server need all of it")]
mod call;
#[path = "provision.rs"]
mod provision;

#[test]
fn what_services_need_is_created_on_nats() {
    provision::is_created_and_verified("nats");
}

#[test]
fn what_is_missing_on_nats_is_named() {
    provision::what_is_missing_is_named("nats");
}

#[test]
fn nats_has_to_be_there() {
    provision::a_server_has_to_be_there("nats");
}
