//! An operator, an account and a user who trust each other, as `nsc` would make them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::nkey::{Key, base};

/// What comes of it.
#[derive(Debug)]
pub(super) struct Issued {
    /// For the server.
    pub(super) config: String,
    /// The file that a user has.
    pub(super) credentials: String,
    #[cfg(test)]
    pub(super) user: (Key, String),
}

pub(super) fn issue() -> Result<Issued> {
    let (operator, system, account, user) =
        (Key::operator()?, Key::account()?, Key::account()?, Key::user()?);
    let by_operator = token(&operator, &operator, "typebus", r#""type":"operator","version":2"#)?;
    let limits =
        r#""subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1"#;
    let accounts = |key: &Key, name: &str, store: &str| {
        let nats = format!(r#""limits":{{{limits},{store}}},"type":"account","version":2"#);
        token(&operator, key, name, &nats)
    };
    let store = r#""mem_storage":-1,"disk_storage":-1,"streams":-1,"consumer":-1,"max_ack_pending":-1"#;
    let none = r#""mem_storage":0,"disk_storage":0"#;
    let (of_system, of_account) = (accounts(&system, "system", none)?, accounts(&account, "tests", store)?);
    let of_user = r#""pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2"#;
    let by_account = token(&account, &user, "alice", of_user)?;
    let config = format!(
        "operator: {by_operator}\nresolver: MEMORY\nsystem_account: {s}\nresolver_preload: {{\n  {s}: {of_system}\n  \
         {a}: {of_account}\n}}\n",
        s = system.public(),
        a = account.public()
    );
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{by_account}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed()?
    );
    Ok(Issued {
        config,
        credentials,
        #[cfg(test)]
        user: (user, by_account),
    })
}

/// What the issuer says about the subject.
fn token(issuer: &Key, subject: &Key, name: &str, nats: &str) -> Result<String> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (issuer_name, subject) = (issuer.public(), subject.public());
    let claims = format!(
        r#"{{"jti":"{subject}","iat":{at},"iss":"{issuer_name}","name":"{name}","sub":"{subject}","nats":{{{nats}}}}}"#
    );
    let text = format!("{}.{}", url(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#), url(claims.as_bytes()));
    let signature = url(&issuer.sign(&text)?);
    Ok(format!("{text}.{signature}"))
}

/// Base 64 as URLs have it, without padding.
pub(super) fn url(bytes: &[u8]) -> String {
    base(bytes, 6, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
