//! Whether options can work, and everything that is wrong with them at once.

use std::time::Duration;

use super::{SYSTEM, config::Kafka};
use crate::{
    backend::url::refuse,
    error::{Problem, Result},
};

impl Kafka {
    /// That these options can work.
    pub(super) fn check(&self) -> Result<()> {
        refuse(SYSTEM, self.problems())
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |is_wrong: bool, option: &str, text: &str| {
            if is_wrong {
                problems.push(Problem::new(format!("option `{option}`"), text));
            }
        };
        wrong(self.hosts.iter().all(String::is_empty), "hosts", "it is empty; write `host:port`");
        wrong(!(1..=100_000).contains(&self.partitions), "partitions", "it must be 1 to 100,000");
        wrong(self.replication == Some(0), "replication", "it must be at least 1");
        wrong(!(1..=1_000_000).contains(&self.window), "window", "it must be 1 to 1,000,000");
        wrong(self.window_bytes == 0, "window_bytes", "it must be at least 1");
        let largest = 1_000..=1_000_000_000;
        wrong(!largest.contains(&self.max_message), "max_message", "it must be 1,000 to 1,000,000,000");
        wrong(self.commit_after == 0, "commit_after", "it must be at least 1");
        wrong(
            self.cert.is_some() != self.key.is_some(),
            "key",
            "`cert` and `key` belong together; give both",
        );
        let files = [&self.ca, &self.cert, &self.key].into_iter().any(Option::is_some);
        wrong(files && !self.tls, "tls", "certificates are for TLS; turn it on, in a URL as `kafkas://`");
        wrong(
            self.user.is_some() != self.password.is_some(),
            "password",
            "user and password belong together; give both",
        );
        wrong(self.max_poll < self.session_timeout, "max_poll", "it must be at least `session_timeout`");
        for (name, time) in [
            ("session_timeout", self.session_timeout),
            ("commit_every", self.commit_every),
            ("refresh", self.refresh),
            ("connect_timeout", self.connect_timeout),
            ("timeout", self.timeout),
            ("publish_timeout", self.publish_timeout),
        ] {
            wrong(time < Duration::from_millis(1), name, "it must be at least 1ms");
        }
        problems
    }
}
