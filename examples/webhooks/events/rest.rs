//! What belongs to no repository, what has no type of its own, and lines that are no webhooks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// A GitHub app was installed, suspended, removed, … It belongs to no repository, so it has no key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.apps", name = "github.installation", id = delivery)]
pub struct InstallationChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`, `suspend`, …
    pub action: String,
    /// The installation as it is now.
    pub installation: Installation,
    /// The repositories it may see.
    #[serde(default)]
    pub repositories: Vec<RepositoryName>,
    /// Who asked for it.
    pub requester: Option<Account>,
    /// Who did it.
    pub sender: Account,
}

/// A webhook of a kind that has no type of its own here. Nothing is lost: the payload comes along.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.rest", name = "github.other", key = repository, id = delivery)]
pub struct OtherWebhook {
    /// Line and repeat.
    pub delivery: String,
    /// GitHub's name of the event.
    pub kind: String,
    /// What happened, where the kind has actions.
    pub action: Option<String>,
    /// The full name of the repository, if it has one.
    pub repository: Option<String>,
    /// The login of who caused it, if anybody did.
    pub sender: Option<String>,
    /// When the repository was last changed.
    pub updated_at: Option<Moment>,
    /// All of it.
    pub payload: serde_json::Value,
}

/// A line that is no webhook. Its handler gives it to the dead letters, where somebody can look at it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "gateway.unreadable", name = "gateway.unreadable_line")]
pub struct UnreadableLine {
    /// Which line, from 1.
    pub number: u64,
    /// What stands there; the beginning of it if it is long, with `\u{fffd}` for what is not UTF-8.
    pub text: String,
    /// What is wrong with it.
    pub error: String,
}
