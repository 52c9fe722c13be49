//! Issues, their comments, and milestones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// An issue was opened, edited, labelled, closed, …
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.issues", name = "github.issues", key = repository.full_name, id = delivery)]
pub struct IssueChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// What happened: `opened`, `labeled`, …
    pub action: String,
    /// The issue as it is now.
    pub issue: Issue,
    /// The label that was added or removed.
    pub label: Option<Label>,
    /// Who was assigned or unassigned.
    pub assignee: Option<Account>,
    /// Who did it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}

/// Somebody commented on an issue or a pull request.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.issues", name = "github.issue_comment", key = repository.full_name, id = delivery)]
pub struct IssueCommented {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`, `edited` or `deleted`.
    pub action: String,
    /// The issue as it is now.
    pub issue: Issue,
    /// The comment.
    pub comment: Comment,
    /// Who did it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}

/// A milestone was created, closed or deleted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.issues", name = "github.milestone", key = repository.full_name, id = delivery)]
pub struct MilestoneChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`, `closed` or `deleted`.
    pub action: String,
    /// The milestone as it is now.
    pub milestone: Milestone,
    /// Who did it.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}
