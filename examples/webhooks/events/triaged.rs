//! What `triage` returns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// Somebody should look at an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "triage.decisions", name = "triage.decided", key = subject.repository)]
pub struct Triaged {
    /// What it is about.
    pub subject: Subject,
    /// How soon.
    pub priority: Priority,
    /// Why it landed here.
    pub reason: String,
    /// The labels it carries.
    pub labels: Vec<String>,
    /// Who waits for an answer.
    pub author: String,
    /// When the subject last changed.
    pub at: Moment,
}

/// A pull request waits for a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "triage.reviews", name = "triage.review_wanted", key = subject.repository)]
pub struct ReviewWanted {
    /// What it is about.
    pub subject: Subject,
    /// Who was asked.
    pub reviewers: Vec<String>,
    /// The branch it comes from.
    pub branch: String,
    /// Lines added and removed.
    pub lines: u64,
    /// Who waits for the review.
    pub author: String,
    /// When the pull request last changed.
    pub at: Moment,
}
