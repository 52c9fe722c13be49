//! `triage`: decides what a person should look at, and says so in events of its own. It has a tracker that is down now
//! and then, an issue that nothing helps, and lines that nobody can read.

use typebus::prelude::*;

use crate::{
    events::{
        IssueChanged, IssueCommented, Label, Moment, Priority, PullRequest, PullRequestChanged, Repository,
        ReviewSubmitted, ReviewWanted, Subject, Triaged, UnreadableLine,
    },
    failing::{Tracker, TrackerError},
};

service! {
    /// Decides what a person should look at.
    pub Triage = "triage" {
        handles: [decide, unreadable],
        state: [Tracker],
    }
}

/// What may need a person: four types on two topics, one handler, matched exhaustively.
#[derive(Debug, Clone, EventSet)]
#[expect(missing_docs, reason = "each variant is named after its event")]
pub enum Work {
    Issue(IssueChanged),
    Comment(IssueCommented),
    Pull(PullRequestChanged),
    Review(ReviewSubmitted),
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error, HandlerError)]
pub enum TriageError {
    /// Says itself what becomes of the delivery.
    #[error(transparent)]
    #[outcome(inherit)]
    Tracker(#[from] TrackerError),
    /// Nothing was asked of anybody.
    #[error("{0}: nothing to decide")]
    #[outcome(discard)]
    Noise(String),
}

/// Decides, and files the decision. What it returns is published before the delivery is settled, and has the same id
/// however often the delivery is tried.
#[handler(retry(attempts = 8, backoff = "1ms..20ms"), timeout = "10s")]
async fn decide(
    work: Work,
    tracker: State<Tracker>,
    metadata: Metadata,
    attempt: Attempt,
) -> Result<(Triaged, Option<ReviewWanted>), TriageError> {
    if is_noise(work.action()) {
        return Err(TriageError::Noise(work.action().to_owned()));
    }
    let decisions = work.decide();
    tracker.file(&decisions.0.subject.title, metadata.id(), attempt.number())?;
    Ok(decisions)
}

/// The line stays unreadable however often one tries.
#[derive(Debug, thiserror::Error, HandlerError)]
#[error("{0}")]
#[outcome(dead_letter)]
pub struct Unreadable(String);

/// Puts the line where a person will see it: among the dead letters.
#[handler]
async fn unreadable(line: UnreadableLine) -> Result<(), Unreadable> {
    Err(Unreadable(line.error))
}

/// GitHub tells about these, and nobody needs to answer.
fn is_noise(action: &str) -> bool {
    matches!(action, "locked" | "unlocked" | "pinned" | "unpinned" | "deleted" | "transferred" | "dismissed")
}

impl Work {
    fn action(&self) -> &str {
        match self {
            Self::Issue(it) => &it.action,
            Self::Comment(it) => &it.action,
            Self::Pull(it) => &it.action,
            Self::Review(it) => &it.action,
        }
    }

    fn decide(&self) -> (Triaged, Option<ReviewWanted>) {
        match self {
            Self::Issue(it) => {
                let issue = &it.issue;
                let subject = subject(&it.repository, issue.number, &issue.title);
                let what = format!("issue {}", it.action);
                (triaged(subject, &what, &issue.labels, &issue.user.login, issue.updated_at), None)
            }
            Self::Comment(it) => {
                let subject = subject(&it.repository, it.issue.number, &it.issue.title);
                let what = format!("comment {}", it.action);
                (
                    triaged(subject, &what, &it.issue.labels, &it.comment.user.login, it.comment.updated_at),
                    None,
                )
            }
            Self::Pull(it) => {
                let wanted = matches!(
                    it.action.as_str(),
                    "opened" | "reopened" | "ready_for_review" | "review_requested"
                );
                let what = format!("pull request {}", it.action);
                pull(&it.repository, &it.pull_request, &what, wanted && !it.pull_request.draft)
            }
            Self::Review(it) => {
                let what = format!("review {}", it.review.state);
                pull(&it.repository, &it.pull_request, &what, it.review.state == "changes_requested")
            }
        }
    }
}

fn pull(at: &Repository, pull: &PullRequest, what: &str, wanted: bool) -> (Triaged, Option<ReviewWanted>) {
    let subject = subject(at, pull.number, &pull.title);
    let review = wanted.then(|| ReviewWanted {
        subject: subject.clone(),
        reviewers: pull.requested_reviewers.iter().map(|reviewer| reviewer.login.clone()).collect(),
        branch: pull.head.git_ref.clone(),
        lines: pull.additions.unwrap_or(0) + pull.deletions.unwrap_or(0),
        author: pull.user.login.clone(),
        at: pull.updated_at,
    });
    (triaged(subject, what, &pull.labels, &pull.user.login, pull.updated_at), review)
}

fn triaged(subject: Subject, what: &str, labels: &[Label], author: &str, at: Moment) -> Triaged {
    let labels: Vec<String> = labels.iter().map(|label| label.name.clone()).collect();
    let is_bug = labels.iter().any(|label| label == "bug" || label == "security");
    let is_asked = matches!(
        what,
        "issue opened"
            | "issue reopened"
            | "comment created"
            | "pull request opened"
            | "review changes_requested"
    );
    let priority = match (is_bug, is_asked) {
        (true, true) => Priority::High,
        (true, false) | (false, true) => Priority::Normal,
        (false, false) => Priority::Low,
    };
    Triaged { subject, priority, reason: what.to_owned(), labels, author: author.to_owned(), at }
}

fn subject(repository: &Repository, number: u64, title: &str) -> Subject {
    Subject { repository: repository.full_name.clone(), number, title: title.to_owned() }
}
