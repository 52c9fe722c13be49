//! What is wrong with the options, all of it at once.

use std::time::Duration;

use super::{
    SYSTEM,
    config::{INSTANCE_EXPIRY, Nats},
};
use crate::{
    backend::url::refuse,
    error::{Problem, Result},
};

impl Nats {
    pub(super) fn check(&self) -> Result<()> {
        refuse(SYSTEM, self.problems())
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong =
            |name: &str, text: &str| problems.push(Problem::new(format!("option `{name}`"), text));
        if self.hosts.is_empty() {
            wrong("hosts", "there is none; name at least one");
        }
        let counts = [
            ("fetch", self.fetch),
            ("publish_window", self.publish_window),
            ("max_message", self.max_message),
        ];
        let periods = [
            ("ack_wait", self.ack_wait),
            ("pin_timeout", self.pin_timeout),
            ("idle_timeout", self.idle_timeout),
            ("instance_expiry", self.instance_expiry),
            ("ping_interval", self.ping_interval),
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("publish_timeout", self.publish_timeout),
            ("confirm_timeout", self.confirm_timeout),
            ("reconnect_max", self.reconnect_max),
        ];
        for (name, count) in counts {
            if count == 0 {
                wrong(name, "it must be more than 0");
            }
        }
        for (name, period) in periods {
            if period.is_zero() {
                wrong(name, "it must be more than 0");
            }
        }
        if !(1..=5).contains(&self.replicas) {
            wrong("replicas", "it must be 1 to 5");
        }
        if self.duplicate_window < Duration::from_millis(100) {
            wrong("duplicate_window", "it must be at least 100ms");
        }
        if self.instance_expiry > INSTANCE_EXPIRY {
            wrong("instance_expiry", "it must be at most 10m: what an instance leaves is gone by then");
        }
        if i32::try_from(self.max_message).is_err() {
            wrong("max_message", "it must be less than 2 GiB");
        }
        let proofs =
            [self.user.is_some(), self.token.is_some(), self.nkey.is_some(), self.credentials_file.is_some()];
        if proofs.into_iter().filter(|given| *given).count() > 1 {
            wrong("user", "user, token, nkey and credentials file exclude each other; give one of them");
        }
        if self.user.is_some() != self.password.is_some() {
            wrong("password", "user and password belong together; give both, or neither");
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            wrong("cert_file", "`cert_file` and `key_file` belong together; give both, or neither");
        }
        let has_files = self.ca_file.is_some() || self.cert_file.is_some();
        if (has_files || self.tls_first) && !self.tls {
            wrong("tls", "something is said of TLS and the connection is not encrypted; write `tls://`");
        }
        for (name, subjects) in &self.streams {
            let odd = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
            if name.is_empty() || name.contains(odd) {
                wrong(
                    "stream",
                    "the name of a stream has no whitespace and none of `.`, `*`, `>`, `/`, `\\`",
                );
            }
            if subjects.is_empty() || subjects.iter().any(|subject| subject.is_empty()) {
                wrong(
                    "stream",
                    "a stream needs subjects, separated by commas, such as `stream.EVENTS=shop.>`",
                );
            }
        }
        problems
    }
}
