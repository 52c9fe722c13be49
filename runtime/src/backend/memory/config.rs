//! The options of a broker in memory, and their form in a URL.

use std::{fmt, time::Duration};

use super::{
    SYSTEM,
    profile::{Nature, Profile},
};
use crate::{
    duration,
    error::{Error, ErrorKind, Problem, Result},
};

/// The options of a broker in memory.
///
/// ```text
/// memory:                                  a broker of its own
/// memory:shop                              shared by name in the process
/// memory:shop?capacity=1000&full_after=5s  with options
/// memory:?profile=rabbitmq                 behaves like RabbitMQ
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The name under which the process shares the broker; `None` is a broker of its own.
    pub name: Option<String>,
    /// The broker whose behaviour it takes on; `None` is memory's own. [`profile`](Self::profile) and the URL set
    /// [`max_message`](Self::max_message) with it.
    pub profile: Option<Profile>,
    /// Partitions of each topic, 1 to 1,024; 4. A profile whose broker has no partitions ignores it.
    pub partitions: u32,
    /// The most messages a topic holds; 65,536.
    pub capacity: usize,
    /// The most bytes a topic holds, as [`Message::size`](crate::backend::Message::size) counts them; 64 MiB.
    pub capacity_bytes: usize,
    /// How long a publish waits for room before it fails with [`ErrorKind::Full`]; 30 s.
    pub full_after: Duration,
    /// The largest message in bytes, key and headers included; 1 MiB, as with Kafka.
    pub max_message: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            name: None,
            profile: None,
            partitions: 4,
            capacity: 65_536,
            capacity_bytes: 64 * 1024 * 1024,
            full_after: Duration::from_secs(30),
            max_message: 1024 * 1024,
        }
    }
}

impl Memory {
    /// The defaults: a broker of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The defaults for a broker that the process shares by name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Behaves like another broker, and takes its [largest message](Profile::max_message).
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self.max_message = profile.max_message();
        self
    }

    /// Sets the partitions of each topic.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Sets the most messages a topic holds.
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    /// Sets the most bytes a topic holds.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// Sets how long a publish waits for room.
    #[must_use]
    pub fn full_after(mut self, patience: Duration) -> Self {
        self.full_after = patience;
        self
    }

    /// Sets the largest message in bytes.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Reads a URL: `memory:`, `memory:NAME`, and options as a query, named like the fields.
    ///
    /// # Errors
    /// `Config` with everything that is wrong at once.
    pub fn from_url(url: &str) -> Result<Self> {
        let Some(rest) = url.strip_prefix("memory:") else {
            return refuse(vec![Problem::new(
                "the URL",
                "it does not begin with `memory:`; write `memory:` or `memory:NAME`",
            )]);
        };
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut memory = Self { name: (!name.is_empty()).then(|| name.to_owned()), ..Self::default() };
        // First, since it decides defaults of the others.
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut profiles = pairs.filter(|(key, _)| *key == "profile");
        if let Some(profile) = profiles.next().and_then(|(_, name)| Profile::from_name(name)) {
            memory = memory.profile(profile);
        }
        let mut problems = Vec::new();
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let outcome = if seen.contains(&key) {
                Err("it is given twice; write it once".to_owned())
            } else {
                memory.set(key, value)
            };
            seen.push(key);
            problems.extend(outcome.err().map(|message| Problem::new(option(key), message)));
        }
        problems.extend(memory.problems());
        if problems.is_empty() { Ok(memory) } else { refuse(problems) }
    }

    /// That these options can work.
    pub(super) fn check(&self) -> Result<()> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { refuse(problems) }
    }

    /// That these options are those of the `existing` broker of the same name.
    pub(super) fn agree_with(&self, existing: &Self) -> Result<()> {
        let differ = |key, ours: &dyn fmt::Display, theirs: &dyn fmt::Display| {
            let (ours, theirs) = (ours.to_string(), theirs.to_string());
            (ours != theirs).then(|| {
                let name = self.name.as_deref().unwrap_or_default();
                let text = format!(
                    "the broker `memory:{name}` exists with {theirs} and is asked for with {ours}; use one value \
                     wherever the name is connected"
                );
                Problem::new(option(key), text)
            })
        };
        let problems: Vec<_> = [
            differ("profile", &shown(self.profile), &shown(existing.profile)),
            differ("partitions", &self.partitions, &existing.partitions),
            differ("capacity", &self.capacity, &existing.capacity),
            differ("capacity_bytes", &self.capacity_bytes, &existing.capacity_bytes),
            differ("full_after", &duration::Shown(self.full_after), &duration::Shown(existing.full_after)),
            differ("max_message", &self.max_message, &existing.max_message),
        ]
        .into_iter()
        .flatten()
        .collect();
        if problems.is_empty() { Ok(()) } else { refuse(problems) }
    }

    pub(super) const fn nature(&self) -> &'static Nature {
        Nature::of(self.profile)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "partitions" => self.partitions = number(value)?,
            "capacity" => self.capacity = number(value)?,
            "capacity_bytes" => self.capacity_bytes = number(value)?,
            "max_message" => self.max_message = number(value)?,
            "full_after" => self.full_after = duration::read(value)?,
            "profile" => {
                let names = Profile::ALL.map(Profile::name).join(", ");
                Profile::from_name(value).ok_or_else(|| {
                    format!(
                        "`{value}` is none of {names}; leave it out, and memory stores and keeps like Kafka"
                    )
                })?;
            }
            _ => return Err(format!("it is unknown; the options are {}", KEYS.join(", "))),
        }
        Ok(())
    }

    fn problems(&self) -> Vec<Problem> {
        let zero =
            |key, value: usize| (value == 0).then(|| Problem::new(option(key), "it must be at least 1"));
        let partitions = (!(1..=MAX_PARTITIONS).contains(&self.partitions))
            .then(|| Problem::new(option("partitions"), format!("it must be 1 to {MAX_PARTITIONS}")));
        let name = self.name.as_deref().filter(|name| !is_name(name)).map(|name| {
            // Of a URL that was meant for another broker it may be a password.
            let place = if name.contains('@') { "the name".to_owned() } else { format!("the name `{name}`") };
            Problem::new(place, "a name is 1 to 100 letters, digits, `_`, `-` and `.`")
        });
        [
            name,
            partitions,
            zero("capacity", self.capacity),
            zero("capacity_bytes", self.capacity_bytes),
            zero("max_message", self.max_message),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

const KEYS: [&str; 6] = ["profile", "partitions", "capacity", "capacity_bytes", "full_after", "max_message"];
const MAX_PARTITIONS: u32 = 1_024;

fn refuse<T>(problems: Vec<Problem>) -> Result<T> {
    Err(Error::from_problems(ErrorKind::Config, "connect", problems).at(SYSTEM))
}

fn option(key: &str) -> String {
    format!("option `{key}`")
}

fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("`{value}` is not a number that fits; write digits only"))
}

fn shown(profile: Option<Profile>) -> &'static str {
    profile.map_or("no profile", Profile::name)
}
