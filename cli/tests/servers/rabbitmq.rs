//! `typebus provision` on RabbitMQ.
//!
//! `cargo test -p typebus-cli --features rabbitmq --test rabbitmq`; `TYPEBUS_TEST_RABBITMQ_URL` says which server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test panics")]

#[path = "../command/call.rs"]
#[allow(dead_code, reason = "the tests without a server need all of it")]
mod call;
#[path = "provision.rs"]
mod provision;

#[test]
fn what_services_need_is_created_on_rabbitmq() {
    provision::is_created_and_verified("rabbitmq");
}

#[test]
fn what_is_missing_on_rabbitmq_is_named() {
    provision::what_is_missing_is_named("rabbitmq");
}

#[test]
fn rabbitmq_has_to_be_there() {
    provision::a_server_has_to_be_there("amqp");
}
