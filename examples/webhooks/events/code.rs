//! Pushes, branches, and comments on commits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use typebus::prelude::*;

use super::parts::*;

/// Commits arrived on a branch, or a tag was pushed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.code", name = "github.push", key = repository.full_name, id = delivery)]
#[schemars(example = json!({
    "delivery": "17-1",
    "ref": "refs/heads/main",
    "before": "5d0f0c0b6c1bd0c4b4a3a3c1fbd0d2e1a7e4b6f1",
    "after": "9c1a5f1d7e2b4a6c8d0e2f4a6b8c0d2e4f6a8b0c",
    "forced": false,
    "commits": [],
    "head_commit": null,
    "sender": { "id": 1, "login": "mona", "type": "User" },
    "repository": {
        "id": 7, "full_name": "octo/tools", "private": false, "language": "Rust", "default_branch": "main",
        "owner": { "id": 1, "login": "octo", "type": "Organization" }, "stargazers_count": 31,
        "created_at": "2020-01-02T03:04:05Z", "pushed_at": 1773494813,
    },
}))]
pub struct Push {
    /// Line and repeat: `17-1`.
    #[serde(default)]
    pub delivery: String,
    /// The full name of what was pushed: `refs/heads/main`.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The commit it pointed to before.
    pub before: String,
    /// The commit it points to now.
    pub after: String,
    /// History was rewritten.
    pub forced: bool,
    /// What is new, oldest first.
    pub commits: Vec<Commit>,
    /// The newest commit, unless the push deleted the branch.
    pub head_commit: Option<Commit>,
    /// Who pushed.
    pub sender: Account,
    /// Where; its `pushed_at` is the time of the push.
    pub repository: Repository,
}

/// A branch or tag was created.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.code", name = "github.create", key = repository.full_name, id = delivery)]
pub struct RefCreated {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// The short name of the branch or tag.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// `branch` or `tag`.
    pub ref_type: String,
    /// The default branch.
    pub master_branch: String,
    /// What the repository says about itself.
    pub description: Option<String>,
    /// `user` or `deploy key`.
    pub pusher_type: String,
    /// Who created it.
    pub sender: Account,
    /// Where; its `pushed_at` is the time.
    pub repository: Repository,
}

/// A branch or tag was deleted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.code", name = "github.delete", key = repository.full_name, id = delivery)]
pub struct RefDeleted {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// The short name of the branch or tag.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// `branch` or `tag`.
    pub ref_type: String,
    /// `user` or `deploy key`.
    pub pusher_type: String,
    /// Who deleted it.
    pub sender: Account,
    /// Where; its `pushed_at` is the time.
    pub repository: Repository,
}

/// Somebody commented on a commit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.code", name = "github.commit_comment", key = repository.full_name, id = delivery)]
pub struct CommitCommented {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`.
    pub action: String,
    /// The comment.
    pub comment: Comment,
    /// Who did it.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}
