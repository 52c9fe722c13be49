//! What the gateway publishes: one type for each kind of webhook that somebody here cares about, one for the
//! rest, one for lines that are no webhooks; and the two events that `triage` returns.
//!
//! The types are read straight from GitHub's payloads, so their fields are GitHub's. Only `delivery` is ours:
//! the line's number and the repeat, so that every run publishes the same ids.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

// ---- code ----

/// Commits arrived on a branch, or a tag was pushed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "github.code", name = "github.push", key = repository.full_name, id = delivery)]
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

// ---- issues ----

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

// ---- pull requests ----

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

// ---- releases and packages ----

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

// ---- continuous integration ----

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

// ---- people ----

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

// ---- discussions ----

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

// ---- what belongs to no repository, and the rest ----

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

// ---- what triage returns ----

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

// ---- the parts ----

/// A point in time. GitHub writes most as RFC 3339 and some as seconds since 1970; we write RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenMoment")]
pub struct Moment(pub DateTime<Utc>);

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum WrittenMoment {
    Text(DateTime<Utc>),
    Seconds(i64),
}

impl TryFrom<WrittenMoment> for Moment {
    type Error = &'static str;

    fn try_from(written: WrittenMoment) -> Result<Self, Self::Error> {
        match written {
            WrittenMoment::Text(time) => Ok(Self(time)),
            WrittenMoment::Seconds(seconds) => {
                DateTime::from_timestamp(seconds, 0).map(Self).ok_or("a time that no calendar has")
            }
        }
    }
}

/// A user, an organisation or a bot.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub login: String,
    /// `User`, `Organization` or `Bot`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The organisation that a webhook is about.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Organization {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub login: String,
}

/// The app installation that a webhook comes through.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct InstallationId {
    /// Its number.
    pub id: u64,
}

/// A repository.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Repository {
    /// Its number.
    pub id: u64,
    /// `owner/name`: the key of most events.
    pub full_name: String,
    /// Only members see it.
    pub private: bool,
    /// Whose it is.
    pub owner: Account,
    /// The main language.
    pub language: Option<String>,
    /// The branch people work from.
    pub default_branch: String,
    /// Stars.
    pub stargazers_count: u64,
    /// When it was created.
    pub created_at: Moment,
    /// When it was last pushed to.
    pub pushed_at: Option<Moment>,
}

/// A repository, where GitHub says little about it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryName {
    /// Its number.
    pub id: u64,
    /// `owner/name`.
    pub full_name: String,
}

/// A commit of a push.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// What its author wrote.
    pub message: String,
    /// When it was made.
    pub timestamp: Moment,
    /// New files.
    pub added: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// Changed files.
    pub modified: Vec<String>,
}

/// A branch, and the protection it has.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// It cannot be pushed to freely.
    pub protected: bool,
}

/// A comment, wherever it stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// Who wrote it.
    pub user: Account,
    /// The text.
    pub body: String,
    /// How the author belongs to the repository.
    pub author_association: String,
    /// The commit it is about.
    pub commit_id: Option<String>,
    /// The file it is about.
    pub path: Option<String>,
    /// When it was written.
    pub created_at: Moment,
    /// When it was last edited.
    pub updated_at: Moment,
}

/// A label.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its colour, as RGB in hexadecimal.
    pub color: String,
}

/// An issue.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Issue {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub user: Account,
    /// Its labels.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// How many comments it has.
    pub comments: u64,
    /// When it was opened.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
    /// When it was closed.
    pub closed_at: Option<Moment>,
}

/// A milestone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Milestone {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// `open` or `closed`.
    pub state: String,
    /// Issues still open.
    pub open_issues: u64,
    /// Issues done.
    pub closed_issues: u64,
    /// When it was created.
    pub created_at: Moment,
    /// When it should be reached.
    pub due_on: Option<Moment>,
}

/// A pull request. Payloads about reviews leave the numbers out.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// `open` or `closed`.
    pub state: String,
    /// Who opened it.
    pub user: Account,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Who was asked for a review.
    pub requested_reviewers: Vec<Account>,
    /// Where its commits are.
    pub head: PullRequestBranch,
    /// It is not ready.
    #[serde(default)]
    pub draft: bool,
    /// It was merged.
    #[serde(default)]
    pub merged: bool,
    /// Lines added.
    pub additions: Option<u64>,
    /// Lines removed.
    pub deletions: Option<u64>,
    /// When it was opened.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
}

/// One end of a pull request.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PullRequestBranch {
    /// Its name.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// Its newest commit.
    pub sha: String,
}

/// A review.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// Its number.
    pub id: u64,
    /// `approved`, `commented`, `changes_requested` or `dismissed`.
    pub state: String,
    /// Who wrote it.
    pub user: Account,
    /// The text.
    pub body: Option<String>,
    /// The commit that was read.
    pub commit_id: String,
    /// When.
    pub submitted_at: Moment,
}

/// A release.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// Its number.
    pub id: u64,
    /// Its tag.
    pub tag_name: String,
    /// Its title.
    pub name: Option<String>,
    /// Not public yet.
    pub draft: bool,
    /// Not for everybody yet.
    pub prerelease: bool,
    /// Who made it.
    pub author: Account,
    /// When it was made.
    pub created_at: Moment,
    /// When it was published.
    pub published_at: Option<Moment>,
}

/// A package.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `npm`, `container`, …
    pub package_type: String,
    /// Whose it is.
    pub owner: Account,
    /// The version that was published.
    pub package_version: PackageVersion,
    /// When it was first published.
    pub created_at: Moment,
}

/// A version of a package.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PackageVersion {
    /// Its number.
    pub id: u64,
    /// As people write it.
    pub version: String,
    /// When it was published.
    pub created_at: Moment,
}

/// A run of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowRun {
    /// Its number.
    pub id: u64,
    /// The workflow's name.
    pub name: String,
    /// What started it: `push`, `schedule`, …
    pub event: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// `success`, `failure`, … once it is completed.
    pub conclusion: Option<String>,
    /// The branch it runs on.
    pub head_branch: Option<String>,
    /// How often it was tried.
    pub run_attempt: u32,
    /// When it started.
    pub run_started_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
}

/// A job of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowJob {
    /// Its number.
    pub id: u64,
    /// The run it belongs to.
    pub run_id: u64,
    /// Its name.
    pub name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// `success`, `failure`, … once it is completed.
    pub conclusion: Option<String>,
    /// The runner it needs.
    pub labels: Vec<String>,
    /// Its steps, so far.
    pub steps: Vec<WorkflowStep>,
    /// When it started.
    pub started_at: Moment,
    /// When it ended.
    pub completed_at: Option<Moment>,
}

/// A step of a job.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowStep {
    /// Its name.
    pub name: String,
    /// Its place in the job.
    pub number: u32,
    /// `success`, `failure`, … once it is completed.
    pub conclusion: Option<String>,
    /// When it started.
    pub started_at: Option<Moment>,
}

/// A check.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckRun {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The commit.
    pub head_sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// `success`, `failure`, … once it is completed.
    pub conclusion: Option<String>,
    /// What it found.
    pub output: CheckOutput,
    /// When it started.
    pub started_at: Moment,
    /// When it ended.
    pub completed_at: Option<Moment>,
}

/// What a check found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckOutput {
    /// In one line.
    pub title: Option<String>,
    /// In a paragraph.
    pub summary: Option<String>,
    /// Notes on single lines of code.
    pub annotations_count: u64,
}

/// All checks of one commit by one app.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckSuite {
    /// Its number.
    pub id: u64,
    /// The branch.
    pub head_branch: Option<String>,
    /// The commit.
    pub head_sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: Option<String>,
    /// `success`, `failure`, … once it is completed.
    pub conclusion: Option<String>,
    /// When it was requested.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
}

/// What is deployed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// Its number.
    pub id: u64,
    /// The branch, tag or commit.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// What to do: `deploy`, …
    pub task: String,
    /// Where to.
    pub environment: String,
    /// Who asked for it.
    pub creator: Account,
    /// When.
    pub created_at: Moment,
}

/// How far a deployment is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentStatus {
    /// Its number.
    pub id: u64,
    /// `pending`, `success`, …
    pub state: String,
    /// In words.
    pub description: String,
    /// Where to.
    pub environment: String,
    /// When.
    pub created_at: Moment,
}

/// A discussion.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Discussion {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Who started it.
    pub user: Account,
    /// Where it is filed.
    pub category: DiscussionCategory,
    /// How many comments it has.
    pub comments: u64,
    /// When it was started.
    pub created_at: Moment,
    /// When an answer was chosen.
    pub answer_chosen_at: Option<Moment>,
}

/// Where a discussion is filed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DiscussionCategory {
    /// Its name.
    pub name: String,
    /// An answer can be chosen.
    pub is_answerable: bool,
}

/// An installation of a GitHub app.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Installation {
    /// Its number.
    pub id: u64,
    /// Where it is installed.
    pub account: Account,
    /// `all` or `selected`.
    pub repository_selection: String,
    /// The events it hears of.
    pub events: Vec<String>,
    /// When it was installed.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
    /// When it was suspended.
    pub suspended_at: Option<Moment>,
}

/// An issue or a pull request, as others speak of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// `owner/name`.
    pub repository: String,
    /// Its number there.
    pub number: u64,
    /// Its title.
    pub title: String,
}

/// How soon somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Today.
    High,
    /// This week.
    Normal,
    /// When there is time.
    Low,
}
