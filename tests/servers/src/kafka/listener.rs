//! The ways to connect to one node.

use crate::certificates::Identity;

/// A port of a node. The first is always there; the last belongs to a [proxied](super::Setup::proxied) one, the others
/// to a [secure](super::Setup::secure) one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listener {
    /// Neither TLS nor users: who comes here may do everything.
    Plaintext,
    /// Users, by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    SaslPlaintext,
    /// Users, with TLS.
    SaslSsl,
    /// TLS and no users: who comes here may do everything. The server shows this certificate.
    Ssl(Identity),
    /// TLS, and clients have to show a certificate too.
    Mutual,
    /// Through a proxy; neither TLS nor users.
    Proxied,
}

impl Listener {
    pub(super) const SECURE: [Self; 7] = [
        Self::SaslPlaintext,
        Self::SaslSsl,
        Self::Ssl(Identity::Good),
        Self::Ssl(Identity::Expired),
        Self::Ssl(Identity::OtherCa),
        Self::Ssl(Identity::WrongHost),
        Self::Mutual,
    ];

    pub(super) const fn is_tls(self) -> bool {
        matches!(self, Self::SaslSsl | Self::Ssl(_) | Self::Mutual)
    }

    pub(super) const fn has_users(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// The certificate that the server shows.
    pub(super) const fn identity(self) -> Option<Identity> {
        match self {
            Self::Ssl(identity) => Some(identity),
            Self::SaslSsl | Self::Mutual => Some(Identity::Good),
            Self::Plaintext | Self::SaslPlaintext | Self::Proxied => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::Ssl(Identity::Good) => "SSL",
            Self::Ssl(Identity::Expired) => "EXPIRED",
            Self::Ssl(Identity::OtherCa) => "OTHERCA",
            Self::Ssl(Identity::WrongHost) => "WRONGHOST",
            Self::Mutual => "MUTUAL",
            Self::Proxied => "PROXIED",
        }
    }

    pub(super) const fn protocol(self) -> &'static str {
        match self {
            Self::Plaintext | Self::Proxied => "PLAINTEXT",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::Ssl(_) | Self::Mutual => "SSL",
        }
    }
}
