//! What keeps a subscription from being ready: written by its worker, read by whoever asks.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// One reason not to be ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Deliveries are held, since this program does not read their version.
    NeedsVersion { name: String, version: u16 },
    /// So many deliveries in a row were exhausted, and none succeeded since.
    BreakerOpen { handler: &'static str, after: u32 },
    /// The dedupe store does not answer.
    Store { handler: &'static str },
    /// A dead letter cannot be written.
    Unwritable { topic: String },
}

/// The reasons of one subscription, each with the moment since which it holds.
#[derive(Debug, Default)]
pub(crate) struct Conditions(Mutex<Vec<(Condition, Instant)>>);

impl Conditions {
    /// Notes a reason, unless it is there already.
    pub(crate) fn add(&self, condition: Condition) {
        self.change(|conditions| {
            if !conditions.iter().any(|(known, _)| *known == condition) {
                conditions.push((condition, Instant::now()));
            }
        });
    }

    /// Takes reasons back.
    pub(crate) fn remove(&self, gone: impl Fn(&Condition) -> bool) {
        self.change(|conditions| conditions.retain(|(condition, _)| !gone(condition)));
    }

    /// What is to be told now: a dead letter that cannot be written is told once that lasts longer than `patience`.
    pub(crate) fn told(&self, patience: Duration) -> Vec<Condition> {
        self.change(|conditions| {
            let due = |(condition, since): &&(Condition, Instant)| {
                !matches!(condition, Condition::Unwritable { .. }) || since.elapsed() >= patience
            };
            conditions.iter().filter(due).map(|(condition, _)| condition.clone()).collect()
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<(Condition, Instant)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsVersion { name, version } => write!(f, "needs {name} v{version}"),
            Self::BreakerOpen { handler, after } => write!(
                f,
                "the breaker of handler `{handler}` is open: {after} deliveries in a row used up their attempts"
            ),
            Self::Store { handler } => write!(f, "the dedupe store of handler `{handler}` does not answer"),
            Self::Unwritable { topic } => write!(f, "a dead letter cannot be written to {topic}"),
        }
    }
}
