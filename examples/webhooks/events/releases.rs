//! Releases and packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// A release was drafted, published, edited or deleted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.releases", name = "github.release", key = repository.full_name, id = delivery)]
pub struct ReleaseChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`, `published`, …
    pub action: String,
    /// The release as it is now.
    pub release: Release,
    /// Who did it.
    pub sender: Account,
    /// The app that delivered the webhook.
    pub installation: Option<InstallationId>,
    /// Where.
    pub repository: Repository,
}

/// A package was published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.releases", name = "github.package", key = repository.full_name, id = delivery)]
pub struct PackagePublished {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `published`.
    pub action: String,
    /// The package.
    pub package: Package,
    /// Who did it.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}
