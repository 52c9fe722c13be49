//! Stars and forks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// A repository was starred, or a star was taken back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.stars", name = "github.star", key = repository.full_name, id = delivery)]
pub struct Starred {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created` or `deleted`.
    pub action: String,
    /// When, unless the star is gone.
    pub starred_at: Option<Moment>,
    /// Whose star.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}

/// A repository was forked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.stars", name = "github.fork", key = repository.full_name, id = delivery)]
pub struct Forked {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// The new repository; its `created_at` is the time.
    pub forkee: Repository,
    /// Who forked.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// The app that delivered the webhook.
    pub installation: Option<InstallationId>,
    /// What was forked.
    pub repository: Repository,
}
