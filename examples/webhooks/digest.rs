//! `digest`: what happened to the code of each repository, folded in order.
//!
//! Four handlers, one for each type, share the topic `github.code`. They are one group, so they share its lanes too:
//! no two of them ever run for one repository at once, and each sees what the one before left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use typebus::prelude::*;

use crate::{
    events::{CommitCommented, Push, RefCreated, RefDeleted},
    failing::{SEED, fold},
};

service! {
    /// Keeps a digest of the code of each repository.
    pub Digest = "digest" {
        handles: [pushed, created, deleted, commented],
        state: [Digests],
    }
}

/// The digests by repository. A clone is the same digests.
#[derive(Debug, Clone, Default)]
pub struct Digests(Arc<Mutex<BTreeMap<String, RepositoryDigest>>>);

/// What happened to the code of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryDigest {
    /// Events in all.
    pub events: u64,
    /// Pushes.
    pub pushes: u64,
    /// Commits in them.
    pub commits: u64,
    /// Comments on commits.
    pub comments: u64,
    /// Branches and tags that were created and not deleted since.
    pub refs: BTreeSet<String>,
    /// All of it folded into one number, so that any two that change places change it.
    #[serde(serialize_with = "hexadecimal")]
    pub hash: u64,
}

impl Default for RepositoryDigest {
    fn default() -> Self {
        Self { events: 0, pushes: 0, commits: 0, comments: 0, refs: BTreeSet::new(), hash: SEED }
    }
}

impl Digests {
    /// A copy of them all.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, RepositoryDigest> {
        self.lock().clone()
    }

    /// One more event of a repository.
    async fn add(&self, repository: &str, delivery: &str, change: impl FnOnce(&mut RepositoryDigest)) {
        // Here a real service would await its database. If the bus let another handler of this repository run
        // meanwhile, one of the two would be lost, and the hash would tell.
        let mut digest = self.lock().get(repository).cloned().unwrap_or_default();
        tokio::task::yield_now().await;
        digest.events += 1;
        digest.hash = fold(digest.hash, delivery.as_bytes());
        change(&mut digest);
        self.lock().insert(repository.to_owned(), digest);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RepositoryDigest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a push and its commits.
#[handler]
async fn pushed(push: Push, digests: State<Digests>) {
    let add = |digest: &mut RepositoryDigest| {
        digest.pushes += 1;
        digest.commits += push.commits.len() as u64;
        digest.hash = fold(digest.hash, push.after.as_bytes());
    };
    digests.add(&push.repository.full_name, &push.delivery, add).await;
}

/// Remembers a new branch or tag.
#[handler]
async fn created(created: RefCreated, digests: State<Digests>) {
    let add = |digest: &mut RepositoryDigest| {
        digest.refs.insert(format!("{} {}", created.ref_type, created.git_ref));
    };
    digests.add(&created.repository.full_name, &created.delivery, add).await;
}

/// Forgets a branch or tag.
#[handler]
async fn deleted(deleted: RefDeleted, digests: State<Digests>) {
    let add = |digest: &mut RepositoryDigest| {
        digest.refs.remove(&format!("{} {}", deleted.ref_type, deleted.git_ref));
    };
    digests.add(&deleted.repository.full_name, &deleted.delivery, add).await;
}

/// Counts a comment.
#[handler]
async fn commented(commented: CommitCommented, digests: State<Digests>) {
    let add = |digest: &mut RepositoryDigest| {
        digest.comments += 1;
        digest.hash = fold(digest.hash, commented.comment.body.as_bytes());
    };
    digests.add(&commented.repository.full_name, &commented.delivery, add).await;
}

fn hexadecimal<S: serde::Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Delivery, Webhook};

    /// A handler is a function; a test may call it.
    #[tokio::test]
    async fn a_digest_counts_and_the_order_shows_in_its_hash() {
        let file = include_str!("../data/github-webhooks.ndjson");
        let pushes: Vec<Push> = file
            .lines()
            .zip(1..)
            .filter_map(|(line, number)| match Delivery::read(number, 1, Ok(line.as_bytes())).webhook {
                Webhook::Push(push) => Some(push),
                _ => None,
            })
            .collect();
        let forth = Digests::default();
        for push in pushes.iter().cloned() {
            pushed(push, forth.clone().into()).await;
        }
        let back = Digests::default();
        for push in pushes.into_iter().rev() {
            pushed(push, back.clone().into()).await;
        }
        let (forth, back) = (forth.snapshot(), back.snapshot());
        assert_eq!(forth.values().map(|digest| (digest.pushes, digest.commits)).max(), Some((7, 2)));
        assert!(forth.keys().eq(back.keys()));
        assert_ne!(forth, back);
    }
}
