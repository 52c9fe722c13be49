//! Who may do what on a server with users.

use std::fmt;

/// A user and a password; the same on all brokers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// Its name.
    pub user: &'static str,
    /// As it is typed. It holds what has to be encoded in a URL, and can be found in a log where it must not be.
    pub password: &'static str,
}

/// May do everything.
pub const ALICE: Login = Login { user: "alice", password: "alice:s3cret/@100%" };

/// May connect, and then nothing.
pub const MALLORY: Login = Login { user: "mallory", password: "mallory:s3cret/@0%" };

impl Login {
    /// `user:password` as it stands in a URL.
    #[must_use]
    pub fn in_url(&self) -> String {
        format!("{}:{}", encode(self.user), encode(self.password))
    }
}

pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        assert_eq!(ALICE.in_url(), "alice:alice%3As3cret%2F%40100%25");
        assert!(!format!("{ALICE:?}").contains("s3cret"));
    }
}
