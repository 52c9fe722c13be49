//! What clients call an error of input and output, and is one of TLS.

use std::{error::Error as StdError, io};

/// Whether it is TLS that failed while a connection with TLS was made.
///
/// With TLS 1.3 a server refuses a client's certificate after the client's own handshake is done (RFC 8446, section
/// 4.4.2.4), so its alert may be lost in the reset that follows: whoever hangs up here has something against the client.
pub(super) fn has_failed(cause: &(dyn StdError + 'static)) -> bool {
    let lower = cause.to_string().to_lowercase();
    ["certificate", "fatal alert", "tls", "handshake"].iter().any(|word| lower.contains(word))
        || has_hung_up(cause)
}

fn has_hung_up(cause: &(dyn StdError + 'static)) -> bool {
    let Some(found) = cause.downcast_ref::<io::Error>() else {
        return cause.source().is_some_and(has_hung_up);
    };
    matches!(
        found.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_hangs_up_has_something_against_the_client_and_whoever_is_not_there_has_not() {
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof] {
            assert!(has_failed(&io::Error::from(kind)), "{kind}");
        }
        assert!(has_failed(&io::Error::other("invalid peer certificate: Expired")));
        assert!(!has_failed(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
