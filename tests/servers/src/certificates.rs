//! Certificates for one test: what is right, and what is wrong in each of the ways that have to be refused.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::directory::Directory;

/// A certificate, seen by who has [`Certificates::ca`] as the authority and connects to `127.0.0.1` or `localhost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// As it should be.
    Good,
    /// It was, until some years ago.
    Expired,
    /// It is signed by [`Certificates::other_ca`].
    OtherCa,
    /// It is for another host.
    WrongHost,
}

/// Files in PEM, made anew. They are gone when the last copy of this is dropped; a server that uses them has one.
#[derive(Debug, Clone)]
pub struct Certificates {
    directory: Arc<Directory>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pem {
    /// The file with the certificate.
    pub certificate: PathBuf,
    /// The file with its key, PKCS #8 without a password.
    pub key: PathBuf,
    /// A file with both.
    pub both: PathBuf,
}

impl Identity {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Good, Self::Expired, Self::OtherCa, Self::WrongHost];

    const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::OtherCa => "other-ca",
            Self::WrongHost => "wrong-host",
        }
    }
}

impl Certificates {
    /// The name in the certificate of a client: the user that it stands for.
    pub const CLIENT: &'static str = "client";

    /// Makes them all.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new() -> Result<Self> {
        let directory = Directory::temporary("certificates")?;
        let ca = authority("typebus tests")?;
        let other = authority("somebody else")?;
        directory.write("ca.pem", ca.pem())?;
        directory.write("other-ca.pem", other.pem())?;
        for identity in Identity::ALL {
            let issuer = if identity == Identity::OtherCa { &other } else { &ca };
            for (role, purpose) in [
                ("server", ExtendedKeyUsagePurpose::ServerAuth),
                ("client", ExtendedKeyUsagePurpose::ClientAuth),
            ] {
                let key = KeyPair::generate()?;
                let certificate = params(identity, role, purpose)?.signed_by(&key, issuer)?;
                let name = format!("{role}-{}", identity.name());
                let (certificate, key) = (certificate.pem(), key.serialize_pem());
                directory.write(&format!("{name}.pem"), &certificate)?;
                directory.write(&format!("{name}.key"), &key)?;
                directory.write(&format!("{name}.both"), key + &certificate)?;
            }
        }
        Ok(Self { directory: Arc::new(directory) })
    }

    /// The authority that clients and servers trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.directory().join("ca.pem")
    }

    /// An authority that nobody trusts, but a client that is set up wrongly.
    #[must_use]
    pub fn other_ca(&self) -> PathBuf {
        self.directory().join("other-ca.pem")
    }

    /// What a server shows.
    #[must_use]
    pub fn server(&self, identity: Identity) -> Pem {
        self.pem("server", identity)
    }

    /// What a client shows; its name is [`CLIENT`](Self::CLIENT).
    #[must_use]
    pub fn client(&self, identity: Identity) -> Pem {
        self.pem("client", identity)
    }

    fn pem(&self, role: &str, identity: Identity) -> Pem {
        let file = |kind: &str| self.directory().join(format!("{role}-{}.{kind}", identity.name()));
        Pem { certificate: file("pem"), key: file("key"), both: file("both") }
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn params(identity: Identity, role: &str, purpose: ExtendedKeyUsagePurpose) -> Result<CertificateParams> {
    let names = match (identity, role) {
        (_, "client") => vec![Certificates::CLIENT.to_owned()],
        (Identity::WrongHost, _) => vec!["elsewhere.example".to_owned()],
        _ => vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
    };
    let common = names[0].clone();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common);
    params.extended_key_usages = vec![purpose];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    if identity == Identity::Expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    Ok(params)
}
