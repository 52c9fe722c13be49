//! What `triage` returns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use typebus::prelude::*;

use super::parts::*;

/// Somebody should look at an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "triage.decisions", name = "triage.decided", key = subject.repository)]
#[schemars(example = json!({
    "subject": { "repository": "octo/tools", "number": 42, "title": "It panics on an empty file" },
    "priority": "high",
    "reason": "labelled bug",
    "labels": ["bug", "regression"],
    "author": "mona",
    "at": "2026-03-14T09:26:53Z",
}))]
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
#[schemars(example = json!({
    "subject": { "repository": "octo/tools", "number": 43, "title": "Read empty files" },
    "reviewers": ["hubot"],
    "branch": "fix/empty-files",
    "lines": 17,
    "author": "mona",
    "at": "2026-03-14T15:09:26Z",
}))]
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
