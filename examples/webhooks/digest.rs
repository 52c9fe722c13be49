//! `digest`: how the checks of each repository went, folded in order.
//!
//! Six handlers, one for each type, share the topic `github.ci`. They are one group, so they share its lanes too: no two
//! of them ever run for one repository at once, and each finds what the one before left.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use typebus::prelude::*;

use crate::{
    events::{
        CheckRunChanged, CheckSuiteChanged, CommitStatus, DeploymentChanged, Repository, WorkflowJobChanged,
        WorkflowRunChanged,
    },
    failing::{SEED, fold},
};

service! {
    /// Keeps a digest of the checks of each repository.
    pub Digest = "digest" {
        handles: [workflow_run, workflow_job, check_run, check_suite, status, deployment],
        state: [Digests],
    }
}

/// The digests by repository. A clone is the same digests.
#[derive(Debug, Clone, Default)]
pub struct Digests(Arc<Mutex<BTreeMap<String, RepositoryDigest>>>);

/// How the checks of a repository went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryDigest {
    /// Events in all.
    pub events: u64,
    /// Those that said success.
    pub passed: u64,
    /// Those that said failure, in one word or another.
    pub failed: u64,
    /// What each check said last.
    pub latest: BTreeMap<String, String>,
    /// All of it folded into one number, so that any two events that change places change it.
    #[serde(serialize_with = "hexadecimal")]
    pub hash: u64,
}

impl Default for RepositoryDigest {
    fn default() -> Self {
        Self { events: 0, passed: 0, failed: 0, latest: BTreeMap::new(), hash: SEED }
    }
}

impl Digests {
    /// A copy of them all.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, RepositoryDigest> {
        self.lock().clone()
    }

    /// One more event of a repository: what a check says now.
    async fn add(&self, repository: &Repository, delivery: &str, check: &str, verdict: &str) {
        let mut digest = self.lock().get(&repository.full_name).cloned().unwrap_or_default();
        // Here a real service would await its database. If the bus let another handler of this repository run
        // meanwhile, one of the two events would be lost, and the numbers would tell.
        tokio::task::yield_now().await;
        digest.events += 1;
        match verdict {
            "success" => digest.passed += 1,
            "failure" | "error" | "timed_out" | "cancelled" | "action_required" => digest.failed += 1,
            _ => {}
        }
        digest.hash =
            [delivery, check, verdict].iter().fold(digest.hash, |hash, text| fold(hash, text.as_bytes()));
        digest.latest.insert(check.to_owned(), verdict.to_owned());
        self.lock().insert(repository.full_name.clone(), digest);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RepositoryDigest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run of a workflow says, once it has ended.
#[handler]
async fn workflow_run(event: WorkflowRunChanged, digests: State<Digests>) {
    let run = &event.workflow_run;
    let verdict = run.conclusion.as_ref().unwrap_or(&run.status);
    digests.add(&event.repository, &event.delivery, &run.name, verdict).await;
}

/// What a job says.
#[handler]
async fn workflow_job(event: WorkflowJobChanged, digests: State<Digests>) {
    let job = &event.workflow_job;
    let verdict = job.conclusion.as_ref().unwrap_or(&job.status);
    digests.add(&event.repository, &event.delivery, &job.name, verdict).await;
}

/// What a single check says.
#[handler]
async fn check_run(event: CheckRunChanged, digests: State<Digests>) {
    let check = &event.check_run;
    let verdict = check.conclusion.as_ref().unwrap_or(&check.status);
    digests.add(&event.repository, &event.delivery, &check.name, verdict).await;
}

/// What all checks of a commit say.
#[handler]
async fn check_suite(event: CheckSuiteChanged, digests: State<Digests>) {
    let suite = &event.check_suite;
    let verdict = suite.conclusion.as_ref().or(suite.status.as_ref()).map_or("queued", String::as_str);
    digests.add(&event.repository, &event.delivery, "all checks", verdict).await;
}

/// What somebody else's CI says.
#[handler]
async fn status(event: CommitStatus, digests: State<Digests>) {
    digests.add(&event.repository, &event.delivery, &event.context, &event.state).await;
}

/// How far a deployment is.
#[handler]
async fn deployment(event: DeploymentChanged, digests: State<Digests>) {
    let check = format!("deployment to {}", event.deployment.environment);
    digests.add(&event.repository, &event.delivery, &check, &event.deployment_status.state).await;
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn hexadecimal<S: serde::Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{hash:016x}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says so by failing")]
mod tests {
    use super::*;
    use crate::{
        lines::EXAMPLES,
        webhook::{Delivery, Webhook},
    };

    /// A handler is a function: a test calls it.
    #[tokio::test]
    async fn a_digest_counts_and_the_order_shows_in_its_hash() {
        let file = std::fs::read_to_string(EXAMPLES).unwrap();
        let read = file
            .lines()
            .zip(1..)
            .map(|(line, number)| Delivery::read(number, 1, Ok(line.as_bytes())).webhook);
        let runs = read.filter_map(|webhook| match webhook {
            Webhook::WorkflowRunChanged(run) => Some(run),
            _ => None,
        });
        let runs: Vec<WorkflowRunChanged> = runs.collect();
        let (forth, back) = (Digests::default(), Digests::default());
        for (one, other) in runs.iter().zip(runs.iter().rev()) {
            workflow_run(one.clone(), forth.clone().into()).await;
            workflow_run(other.clone(), back.clone().into()).await;
        }
        let (forth, back) = (forth.snapshot(), back.snapshot());
        let of = |digests: &BTreeMap<String, RepositoryDigest>| {
            let digest = &digests["octo-org/octo-repo"];
            (digest.events, digest.passed, digest.failed)
        };
        assert_eq!((of(&forth), of(&back)), ((4, 2, 1), (4, 2, 1)));
        assert_ne!(forth["octo-org/octo-repo"].hash, back["octo-org/octo-repo"].hash);
    }
}
