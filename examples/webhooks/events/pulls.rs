//! Pull requests and their reviews.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// A pull request was opened, updated, merged, …
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.pulls", name = "github.pull_request", key = repository.full_name, id = delivery)]
pub struct PullRequestChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// What happened: `opened`, `synchronize`, …
    pub action: String,
    /// Its number in the repository.
    pub number: u64,
    /// The pull request as it is now.
    pub pull_request: PullRequest,
    /// Who did it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}

/// A review was submitted or dismissed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.pulls", name = "github.pull_request_review", key = repository.full_name, id = delivery)]
pub struct ReviewSubmitted {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `submitted` or `dismissed`.
    pub action: String,
    /// The review.
    pub review: Review,
    /// The pull request as it is now.
    pub pull_request: PullRequest,
    /// Who did it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}

/// Somebody commented on a line of a pull request.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.pulls", name = "github.pull_request_review_comment", key = repository.full_name, id = delivery)]
pub struct ReviewCommented {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`, `edited` or `deleted`.
    pub action: String,
    /// The comment.
    pub comment: Comment,
    /// The pull request as it is now.
    pub pull_request: PullRequest,
    /// Who did it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}
