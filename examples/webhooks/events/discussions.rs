//! Discussions and their comments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// A discussion was started, answered, moved, …
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.discussions", name = "github.discussion", key = repository.full_name, id = delivery)]
pub struct DiscussionChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// What happened: `created`, `answered`, …
    pub action: String,
    /// The discussion as it is now.
    pub discussion: Discussion,
    /// The answer that was chosen.
    pub answer: Option<Comment>,
    /// Who did it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}

/// Somebody commented on a discussion.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.discussions", name = "github.discussion_comment", key = repository.full_name, id = delivery)]
pub struct DiscussionCommented {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`, `edited` or `deleted`.
    pub action: String,
    /// The discussion as it is now.
    pub discussion: Discussion,
    /// The comment.
    pub comment: Comment,
    /// Who did it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}
