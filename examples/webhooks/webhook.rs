//! From a line to an event.

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use typebus::prelude::*;

use crate::{
    events::*,
    lines::{self, TooLong},
};

/// Everything that the gateway publishes.
#[derive(Debug, Clone, EventSet)]
#[expect(missing_docs, reason = "each variant is named after its event")]
pub enum Webhook {
    Push(Push),
    RefCreated(RefCreated),
    RefDeleted(RefDeleted),
    CommitCommented(CommitCommented),
    IssueChanged(IssueChanged),
    IssueCommented(IssueCommented),
    MilestoneChanged(MilestoneChanged),
    PullRequestChanged(PullRequestChanged),
    ReviewSubmitted(ReviewSubmitted),
    ReviewCommented(ReviewCommented),
    ReleaseChanged(ReleaseChanged),
    PackagePublished(PackagePublished),
    WorkflowRunChanged(WorkflowRunChanged),
    WorkflowJobChanged(WorkflowJobChanged),
    CheckRunChanged(CheckRunChanged),
    CheckSuiteChanged(CheckSuiteChanged),
    CommitStatus(CommitStatus),
    DeploymentChanged(DeploymentChanged),
    Starred(Starred),
    Forked(Forked),
    DiscussionChanged(DiscussionChanged),
    DiscussionCommented(DiscussionCommented),
    InstallationChanged(InstallationChanged),
    Other(OtherWebhook),
    Unreadable(UnreadableLine),
}

/// A line, and what it was read as.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The line's number and the repeat: `17-1`. It is the id of the event.
    pub id: String,
    /// The line's number.
    pub number: u64,
    /// GitHub's name for what happened; empty for a line that is no webhook.
    pub kind: String,
    /// The event.
    pub webhook: Webhook,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl Delivery {
    /// Reads a line; whatever is wrong with it, it becomes an event.
    #[must_use]
    pub fn read(number: u64, repeat: u64, line: lines::Line<'_>) -> Self {
        let id = format!("{number}-{repeat}");
        let read = match line {
            Ok(bytes) => read(bytes, &id).map_err(|error| (bytes, error)),
            Err(TooLong(start)) => Err((start, "longer than 25 MiB".to_owned())),
        };
        match read {
            Ok((kind, webhook)) => Self { id, number, kind, webhook },
            Err((bytes, error)) => {
                Self::unreadable(id, number, &String::from_utf8_lossy(prefix(bytes)), error)
            }
        }
    }

    /// An event for a line that is no webhook.
    #[must_use]
    pub fn unreadable(id: String, number: u64, text: &str, error: String) -> Self {
        let webhook = Webhook::Unreadable(UnreadableLine { number, text: text.to_owned(), error });
        Self { id, number, kind: String::new(), webhook }
    }
}

/// Enough of a line to recognize it: a dead letter is for people.
fn prefix(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(1024)]
}

fn read(bytes: &[u8], id: &str) -> Result<(String, Webhook), String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("no webhook: {}", in_one_line(&error)),
        _ => format!("no JSON: {}", in_one_line(&error)),
    })?;
    if line.event.is_empty() {
        return Err("no webhook: its `event` is empty".to_owned());
    }
    let webhook = decode(&line.event, line.payload, id)
        .map_err(|error| format!("no {}: {}", line.event, in_one_line(&error)))?;
    Ok((line.event.into_owned(), webhook))
}

/// Serde counts lines of JSON, and here all is in one, whose number is not serde's.
fn in_one_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("{what} at column {}", error.column())
}

/// Chooses the type. What has none becomes [`OtherWebhook`].
fn decode(kind: &str, payload: &RawValue, id: &str) -> serde_json::Result<Webhook> {
    fn read<E: DeserializeOwned>(payload: &RawValue) -> serde_json::Result<E> {
        serde_json::from_str(payload.get())
    }
    let delivery = id.to_owned();
    Ok(match kind {
        "push" => Webhook::Push(Push { delivery, ..read(payload)? }),
        "create" => Webhook::RefCreated(RefCreated { delivery, ..read(payload)? }),
        "delete" => Webhook::RefDeleted(RefDeleted { delivery, ..read(payload)? }),
        "commit_comment" => Webhook::CommitCommented(CommitCommented { delivery, ..read(payload)? }),
        "issues" => Webhook::IssueChanged(IssueChanged { delivery, ..read(payload)? }),
        "issue_comment" => Webhook::IssueCommented(IssueCommented { delivery, ..read(payload)? }),
        "milestone" => Webhook::MilestoneChanged(MilestoneChanged { delivery, ..read(payload)? }),
        "pull_request" => Webhook::PullRequestChanged(PullRequestChanged { delivery, ..read(payload)? }),
        "pull_request_review" => Webhook::ReviewSubmitted(ReviewSubmitted { delivery, ..read(payload)? }),
        "pull_request_review_comment" => {
            Webhook::ReviewCommented(ReviewCommented { delivery, ..read(payload)? })
        }
        "release" => Webhook::ReleaseChanged(ReleaseChanged { delivery, ..read(payload)? }),
        "package" => Webhook::PackagePublished(PackagePublished { delivery, ..read(payload)? }),
        "workflow_run" => Webhook::WorkflowRunChanged(WorkflowRunChanged { delivery, ..read(payload)? }),
        "workflow_job" => Webhook::WorkflowJobChanged(WorkflowJobChanged { delivery, ..read(payload)? }),
        "check_run" => Webhook::CheckRunChanged(CheckRunChanged { delivery, ..read(payload)? }),
        "check_suite" => Webhook::CheckSuiteChanged(CheckSuiteChanged { delivery, ..read(payload)? }),
        "status" => Webhook::CommitStatus(CommitStatus { delivery, ..read(payload)? }),
        "deployment_status" => Webhook::DeploymentChanged(DeploymentChanged { delivery, ..read(payload)? }),
        "star" => Webhook::Starred(Starred { delivery, ..read(payload)? }),
        "fork" => Webhook::Forked(Forked { delivery, ..read(payload)? }),
        "discussion" => Webhook::DiscussionChanged(DiscussionChanged { delivery, ..read(payload)? }),
        "discussion_comment" => {
            Webhook::DiscussionCommented(DiscussionCommented { delivery, ..read(payload)? })
        }
        "installation" => Webhook::InstallationChanged(InstallationChanged { delivery, ..read(payload)? }),
        _ => Webhook::Other(other(kind, read(payload)?, delivery)),
    })
}

fn other(kind: &str, payload: serde_json::Map<String, Value>, delivery: String) -> OtherWebhook {
    let payload = Value::Object(payload);
    let text = |path| payload.pointer(path).and_then(Value::as_str).map(str::to_owned);
    OtherWebhook {
        delivery,
        kind: kind.to_owned(),
        action: text("/action"),
        repository: text("/repository/full_name"),
        sender: text("/sender/login"),
        updated_at: payload.pointer("/repository/updated_at").and_then(|at| Moment::deserialize(at).ok()),
        payload,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says so by failing")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lines::{EXAMPLES, Source};

    /// A line's event as the program sees it, and as JSON without what we add.
    fn read_all() -> Vec<(u64, String, Delivery)> {
        let mut lines = Source::open(EXAMPLES).unwrap().read().unwrap();
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            let text = std::str::from_utf8(line.unwrap()).unwrap().to_owned();
            all.push((number, text, Delivery::read(number, 1, line)));
        }
        all
    }

    #[test]
    fn every_line_of_the_file_is_read_and_every_line_of_a_typed_kind_as_its_type() {
        let (mut typed, mut other) = (BTreeMap::<_, u64>::new(), BTreeMap::<_, u64>::new());
        for (number, _, delivery) in read_all() {
            assert_eq!(delivery.id, format!("{number}-1"));
            match delivery.webhook {
                Webhook::Unreadable(line) => panic!("line {number}: {}", line.error),
                Webhook::Other(_) => *other.entry(delivery.kind).or_default() += 1,
                _ => *typed.entry(delivery.kind).or_default() += 1,
            }
        }
        let sums = |map: &BTreeMap<String, u64>| (map.len(), map.values().sum::<u64>());
        assert_eq!((sums(&typed), sums(&other)), ((23, 189), (35, 140)));
        assert_eq!(
            (typed["push"], typed["issues"], typed["pull_request"], other["project_card"]),
            (7, 29, 29, 9)
        );
    }
}
