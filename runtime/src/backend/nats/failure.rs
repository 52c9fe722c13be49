//! What the client's and the server's errors mean here.

use super::SYSTEM;
use crate::{
    backend::tls,
    error::{BoxError, Error, ErrorKind, Result},
};

pub(super) fn error(kind: ErrorKind, operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(kind, operation, text.into()).at(SYSTEM)
}

pub(super) fn closed(operation: &'static str) -> Error {
    error(ErrorKind::Closed, operation, "this connection is closed; connect again")
}

/// A question that was not answered, or with no.
pub(super) fn asked(operation: &'static str, what: &str, cause: impl Into<BoxError>) -> Error {
    let cause = cause.into();
    let text = cause.to_string();
    let lower = text.to_lowercase();
    let (kind, advice) = if lower.contains("timed out") {
        (ErrorKind::Timeout, "the server did not answer; is JetStream on, and may the user ask `$JS.API.>`?")
    } else if lower.contains("no responders") {
        (ErrorKind::Connect, "JetStream does not answer; is it on?")
    } else if lower.contains("permissions violation") {
        (ErrorKind::Permission, "give the user the right to it")
    } else {
        (ErrorKind::Topology, "the server refuses")
    };
    error(kind, operation, format!("{what}: {advice}: {text}")).because(cause)
}

/// What it means that a connection could not be made. Neither text nor cause shows a secret.
pub(super) fn of_connecting(cause: async_nats::ConnectError, hosts: &str, is_tls: bool) -> Error {
    use async_nats::ConnectErrorKind as Kind;
    let (kind, text) = match cause.kind() {
        Kind::AuthorizationViolation | Kind::Authentication => (
            ErrorKind::Authentication,
            format!("{hosts} does not accept the credentials; check user, token, nkey or credentials file"),
        ),
        Kind::TimedOut => (ErrorKind::Connect, format!("{hosts} does not answer; is a NATS server there?")),
        kind if kind == Kind::Tls || (is_tls && tls::has_failed(&cause)) => (
            ErrorKind::Connect,
            format!("TLS with {hosts} fails: {cause}; check `tls://`, the certificates, and the host's name"),
        ),
        _ => (ErrorKind::Connect, format!("{hosts} cannot be reached: {cause}")),
    };
    error(kind, "connect", text).because(cause)
}

/// The number of the server's error in an answer of JetStream, and what it says.
pub(super) fn answered(payload: &str) -> Option<(u64, String)> {
    let (_, error) = payload.split_once("\"error\":")?;
    let number = crate::backend::nats::json::number(error, "err_code").unwrap_or_default();
    let text = crate::backend::nats::json::text(error, "description").unwrap_or_default();
    Some((number, text.to_owned()))
}

/// The answer, unless it is an error.
pub(super) fn accept(operation: &'static str, what: &str, payload: &[u8]) -> Result<()> {
    match answered(&String::from_utf8_lossy(payload)) {
        None => Ok(()),
        Some((code, text)) => Err(error(ErrorKind::Topology, operation, format!("{what}: {text} ({code})"))),
    }
}
