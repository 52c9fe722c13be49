//! Continuous integration: checks, workflows, deployments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

use super::parts::*;

/// A workflow run was requested or completed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.ci", name = "github.workflow_run", key = repository.full_name, id = delivery)]
pub struct WorkflowRunChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `requested` or `completed`.
    pub action: String,
    /// The run as it is now.
    pub workflow_run: WorkflowRun,
    /// Who caused it.
    pub sender: Account,
    /// The organisation.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}

/// A job of a workflow was queued, started or completed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.ci", name = "github.workflow_job", key = repository.full_name, id = delivery)]
pub struct WorkflowJobChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `queued`, `in_progress`, …
    pub action: String,
    /// The job as it is now.
    pub workflow_job: WorkflowJob,
    /// Who caused it.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}

/// A single check was created, completed or asked for again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.ci", name = "github.check_run", key = repository.full_name, id = delivery)]
pub struct CheckRunChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`, `completed`, …
    pub action: String,
    /// The check as it is now.
    pub check_run: CheckRun,
    /// Who caused it.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}

/// All checks of one commit were requested or completed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.ci", name = "github.check_suite", key = repository.full_name, id = delivery)]
pub struct CheckSuiteChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `requested`, `completed`, …
    pub action: String,
    /// The suite as it is now.
    pub check_suite: CheckSuite,
    /// Who caused it.
    pub sender: Account,
    /// The organisation, where there is one.
    pub organization: Option<Organization>,
    /// Where.
    pub repository: Repository,
}

/// Somebody's CI gave a commit a status.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.ci", name = "github.status", key = repository.full_name, id = delivery)]
pub struct CommitStatus {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// The commit.
    pub sha: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    /// Who says so.
    pub context: String,
    /// In words.
    pub description: Option<String>,
    /// The branches that point to the commit.
    pub branches: Vec<Branch>,
    /// When.
    pub created_at: Moment,
    /// Where.
    pub repository: Repository,
}

/// A deployment went one step on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.ci", name = "github.deployment_status", key = repository.full_name, id = delivery)]
pub struct DeploymentChanged {
    /// Line and repeat.
    #[serde(default)]
    pub delivery: String,
    /// `created`.
    pub action: String,
    /// What is deployed, and where to.
    pub deployment: Deployment,
    /// How far it is.
    pub deployment_status: DeploymentStatus,
    /// Who caused it.
    pub sender: Account,
    /// Where.
    pub repository: Repository,
}
