//! `archive`: keeps a count of everything that GitHub sent, batch by batch and whatever its type, and the list of what
//! triage decided.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use typebus::prelude::*;

use crate::events::{OtherWebhook, Priority, ReviewWanted, Triaged};

service! {
    /// Keeps everything that GitHub sent, and what was decided about it.
    pub Archive = "archive" {
        handles: [keep, list],
        state: [Shelves],
    }
}

/// The archive. A clone is the same archive.
#[derive(Debug, Clone, Default)]
pub struct Shelves(Arc<Mutex<Contents>>);

/// What is in the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// By the name of the event.
    pub events: BTreeMap<String, Shelf>,
    /// Those without a type of ours, by GitHub's name.
    pub others: BTreeMap<String, u64>,
    /// What triage decided, by priority.
    pub decisions: BTreeMap<Priority, u64>,
    /// Pull requests that wait for a review.
    pub reviews: u64,
    /// Batches. How many there are depends on the time of day.
    #[serde(skip)]
    pub batches: u64,
}

/// The events of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shelf {
    /// How many.
    pub events: u64,
    /// Their payloads together.
    pub bytes: u64,
}

impl Shelves {
    /// A copy of all that is in it.
    #[must_use]
    pub fn snapshot(&self) -> Contents {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every topic of GitHub's, whatever is published there, in no order, many at a time.
#[handler(topic = "github.>", order = none, batch(max = 100, wait = "5ms"))]
async fn keep(batch: Batch<AnyEvent>, shelves: State<Shelves>) -> Result<(), Failure> {
    let others = batch.iter().filter(|event| event.is::<OtherWebhook>());
    let others =
        others.map(|event| event.decode::<OtherWebhook>()).collect::<Result<Vec<_>, _>>().or_dead_letter()?;
    let mut contents = shelves.lock();
    contents.batches += 1;
    for event in &batch {
        let shelf = contents.events.entry(event.name().to_owned()).or_default();
        shelf.events += 1;
        shelf.bytes += event.payload().len() as u64;
    }
    for other in others {
        *contents.others.entry(other.kind).or_default() += 1;
    }
    Ok(())
}

/// What triage returns.
#[derive(Debug, Clone, EventSet)]
#[expect(missing_docs, reason = "each variant is named after its event")]
pub enum Decision {
    Triaged(Triaged),
    ReviewWanted(ReviewWanted),
}

/// Lists what was decided.
#[handler]
async fn list(decision: Decision, shelves: State<Shelves>) {
    let mut contents = shelves.lock();
    match decision {
        Decision::Triaged(it) => *contents.decisions.entry(it.priority).or_default() += 1,
        Decision::ReviewWanted(_) => contents.reviews += 1,
    }
}
