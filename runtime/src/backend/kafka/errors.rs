//! What the client's errors mean.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

use super::SYSTEM;
use crate::error::{Error, ErrorKind};

pub(super) fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, operation, message.into()).at(SYSTEM)
}

pub(super) fn closed(operation: &'static str) -> Error {
    error(ErrorKind::Closed, operation, "this connection is closed; connect again")
}

/// The kind of error that a code is; `Connect` for what heals.
pub(super) const fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            ErrorKind::Authentication
        }
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::DelegationTokenAuthorizationFailed => ErrorKind::Permission,
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => ErrorKind::Unroutable,
        Code::MessageSizeTooLarge => ErrorKind::TooLarge,
        Code::MessageTimedOut
        | Code::RequestTimedOut
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend => ErrorKind::Timeout,
        Code::Fatal
        | Code::Fenced
        | Code::FencedInstanceId
        | Code::UnreleasedInstanceId
        | Code::OutOfOrderSequenceNumber
        | Code::InvalidProducerEpoch => ErrorKind::Fatal,
        Code::InvalidTopic
        | Code::InvalidReplicationFactor
        | Code::InvalidPartitions
        | Code::PolicyViolation => ErrorKind::Topology,
        _ => ErrorKind::Connect,
    }
}

/// The error of an operation on `what`, such as ``topic `shop.orders` ``.
pub(super) fn of_client(failure: &KafkaError, operation: &'static str, what: &str) -> Error {
    match failure.rdkafka_error_code() {
        Some(code) => of_code(code, operation, what),
        None => error(ErrorKind::Connect, operation, format!("{what}: {failure}")),
    }
}

pub(super) fn of_code(code: Code, operation: &'static str, what: &str) -> Error {
    let kind = match kind_of(code) {
        // Only what is published has no route.
        ErrorKind::Unroutable => ErrorKind::Topology,
        kind => kind,
    };
    error(kind, operation, format!("{what}: {code}{}", advice(kind)))
}

/// What to do about it.
pub(super) const fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Authentication => "; check user, password and `sasl`",
        ErrorKind::Permission => "; the user needs an ACL for it",
        ErrorKind::Connect => "; check that the brokers can be reached",
        _ => "",
    }
}
