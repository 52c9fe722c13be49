//! What the client's errors mean here.

use std::time::Duration;

use lapin::protocol::AMQPErrorKind;
use tokio::time::timeout;

use super::SYSTEM;
use crate::{
    backend::tls,
    error::{Error, ErrorKind, Result},
};

pub(super) fn error(kind: ErrorKind, operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(kind, operation, text.into()).at(SYSTEM)
}

pub(super) fn closed(operation: &'static str) -> Error {
    error(ErrorKind::Closed, operation, "this connection is closed; connect again")
}

/// The number of AMQP's error, if the server sent one: 403, 404, 406 ...
pub(super) fn code(cause: &lapin::Error) -> Option<u16> {
    match cause.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// Whether the server closed the channel alone, which the next one may avoid.
pub(super) fn is_of_channel(cause: &lapin::Error) -> bool {
    matches!(cause.kind(), lapin::ErrorKind::ProtocolError(error) if matches!(error.kind(), AMQPErrorKind::Soft(_)))
}

/// What an operation's failure means.
pub(super) fn of(cause: &lapin::Error, operation: &'static str) -> Error {
    let (kind, advice) = match code(cause) {
        Some(403) => (ErrorKind::Permission, "; give the user the right to it"),
        Some(404) => (ErrorKind::Topology, "; provision it first"),
        Some(405) => (ErrorKind::Topology, "; another connection has it for itself"),
        Some(406) => (ErrorKind::Topology, ""),
        Some(530) => (ErrorKind::Permission, ""),
        _ => (ErrorKind::Connect, ""),
    };
    error(kind, operation, format!("{cause}{advice}")).because(cause.clone())
}

/// What it means that a connection could not be made.
pub(super) fn of_connecting(cause: &lapin::Error, host: &str, port: u16, is_tls: bool) -> Error {
    let (kind, text) = match code(cause) {
        Some(403) => (
            ErrorKind::Authentication,
            format!("{host}:{port} does not accept the credentials; check user and password"),
        ),
        Some(530) => (
            ErrorKind::Permission,
            format!("{host}:{port} does not let the user into the virtual host; check both"),
        ),
        _ if is_tls && tls::has_failed(cause) => (
            ErrorKind::Connect,
            format!(
                "TLS with {host}:{port} fails: {cause}; check `amqps://`, the certificates, and the host's name"
            ),
        ),
        _ => (ErrorKind::Connect, format!("no connection to {host}:{port}: {cause}")),
    };
    error(kind, "connect", text).because(cause.clone())
}

/// An operation that may take so long.
///
/// # Errors
/// What it fails with, or `Timeout`.
pub(super) async fn within<T>(
    limit: Duration,
    operation: &'static str,
    work: impl Future<Output = lapin::Result<T>>,
) -> Result<T> {
    match timeout(limit, work).await {
        Ok(done) => done.map_err(|cause| of(&cause, operation)),
        Err(_) => {
            Err(error(ErrorKind::Timeout, operation, format!("the server did not answer within {limit:?}")))
        }
    }
}
