//! What became of a delivery in a test.

use std::fmt;

use crate::{dead_letter::DeadLetter, outcome::Outcome, outputs::Reason};

/// What became of one event in every group that received it; from [`Test::deliver`](super::Test::deliver).
///
/// Its `Debug` says all of it in a few words, so that `assert_eq!(.., "{delivered:?}")` tells why.
#[derive(Clone)]
pub struct Delivered {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) groups: Vec<Ended>,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// Its handler succeeded, and what it returned is published.
    Handled,
    /// An outcome, or `dead_letter = discard`, said so.
    Discarded,
    /// Nothing in the group handles the event.
    Skipped,
    /// It is among the dead letters.
    DeadLettered,
}

/// How a delivery ended in one group.
#[derive(Clone)]
pub struct Ended {
    pub(super) group: String,
    pub(super) handler: Option<&'static str>,
    pub(super) how: How,
    pub(super) attempts: u32,
    pub(super) failure: Option<(Reason, String)>,
    pub(super) letter: Option<DeadLetter>,
}

impl Delivered {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Every group that received it.
    #[must_use]
    pub fn groups(&self) -> &[Ended] {
        &self.groups
    }

    /// How it ended in a group.
    ///
    /// # Panics
    /// The group does not receive the event.
    #[must_use]
    #[track_caller]
    pub fn group(&self, name: &str) -> &Ended {
        let mut of_group = self.groups.iter().filter(|ended| ended.group == name);
        let first = of_group.next();
        // A group may have several subscriptions that receive it; all but one skip it.
        let found = first.filter(|ended| ended.how != How::Skipped).or_else(|| of_group.next()).or(first);
        found.unwrap_or_else(|| panic!("no group {name:?} received it: {self:?}"))
    }

    /// How it ended in the only group that did not skip it.
    ///
    /// # Panics
    /// There are several, or none.
    #[must_use]
    #[track_caller]
    pub fn only(&self) -> &Ended {
        let mut taken = self.groups.iter().filter(|ended| ended.how != How::Skipped);
        match (taken.next(), taken.next()) {
            (Some(only), None) => only,
            (None, _) => panic!("every group skipped it, since none handles it: {self:?}"),
            (Some(_), Some(_)) => {
                panic!("several groups took it; say which, as in `.group(\"..\")`: {self:?}")
            }
        }
    }

    /// Its outcome in the only group that did not skip it, after all retries.
    ///
    /// # Panics
    /// There are several, or none.
    #[must_use]
    #[track_caller]
    pub fn outcome(&self) -> Outcome {
        self.only().outcome()
    }
}

impl Ended {
    /// The group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The handler that it was for; `None` where it was skipped.
    #[must_use]
    pub const fn handler(&self) -> Option<&'static str> {
        self.handler
    }

    /// How it ended.
    #[must_use]
    pub const fn how(&self) -> How {
        self.how
    }

    /// How it ended, as an outcome: never [`Outcome::Retry`].
    ///
    /// # Panics
    /// It was skipped: that is no handler's outcome.
    #[must_use]
    #[track_caller]
    pub fn outcome(&self) -> Outcome {
        match self.how {
            How::Handled => Outcome::Ack,
            How::Discarded => Outcome::Discard,
            How::DeadLettered => Outcome::DeadLetter,
            How::Skipped => panic!("it has no outcome: {self:?}"),
        }
    }

    /// How many attempts were made; 0 if none.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Why it was given up; `None` where it was not.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.failure.as_ref().map(|(reason, _)| *reason)
    }

    /// What the last attempt said when it was given up; empty where it was not.
    #[must_use]
    pub fn error(&self) -> &str {
        self.failure.as_ref().map_or("", |(_, error)| error)
    }

    /// Its dead letter.
    #[must_use]
    pub const fn dead_letter(&self) -> Option<&DeadLetter> {
        self.letter.as_ref()
    }
}

impl fmt::Debug for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)?;
        if self.groups.is_empty() {
            f.write_str(" reached no group")?;
        }
        for (nth, ended) in self.groups.iter().enumerate() {
            write!(f, "{} {ended:?}", if nth == 0 { "," } else { ";" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, handler, how, attempts, failure, .. } = self;
        let how = match how {
            How::Handled => "handled",
            How::Discarded => "discarded",
            How::Skipped => "skipped",
            How::DeadLettered => "dead-lettered",
        };
        write!(f, "{how} by group {group}")?;
        if let Some(handler) = handler {
            write!(f, " in {handler}, attempts: {attempts}")?;
        }
        if let Some((reason, error)) = failure {
            write!(f, ", {reason}: {error}")?;
        }
        Ok(())
    }
}
