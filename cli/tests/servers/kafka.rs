//! `typebus provision` on Kafka.
//!
//! `cargo test -p typebus-cli --features kafka --test kafka`; `TYPEBUS_TEST_KAFKA_URL` says which server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test panics")]

#[path = "../command/call.rs"]
#[allow(dead_code, reason = "the tests without a server need all of it")]
mod call;
#[path = "provision.rs"]
mod provision;

#[test]
fn what_services_need_is_created_on_kafka() {
    provision::is_created_and_verified("kafka");
}

#[test]
fn what_is_missing_on_kafka_is_named() {
    provision::what_is_missing_is_named("kafka");
}

#[test]
fn kafka_has_to_be_there() {
    provision::a_server_has_to_be_there("kafka");
}
