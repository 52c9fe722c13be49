//! What the events are made of, as GitHub spells it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
