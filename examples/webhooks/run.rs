//! One run, from the first line to the summary.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use typebus::{Bus, Service, StateOf};

use crate::{
    archive::{Archive, Shelves},
    digest::{Digest, Digests},
    failing::Tracker,
    gateway::{self, Gateway, GatewayError},
    lines::Source,
    progress::Progress,
    summary::{DeadLetters, Summary},
    triage::Triage,
};

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The lines.
    pub source: Source,
    /// How often they are published.
    pub repeat: u64,
    /// The share of its attempts for which the tracker is down, from 0 to 1.
    pub fail_rate: f64,
    /// The broker's URL; `memory:` is one in this process.
    pub broker: String,
}

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Publishing ended early.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The bus did not work.
    #[error(transparent)]
    Bus(#[from] typebus::Error),
}

/// Publishes everything, lets the services handle it, and counts.
///
/// `interrupt` ends it early: then publishing stops, and what is published is handled still. The second signal does
/// not wait for that.
///
/// # Errors
/// See [`RunError`].
pub async fn run(
    options: &Options,
    progress: Progress,
    interrupt: impl Future<Output: Future<Output = ()>>,
) -> Result<Summary, RunError> {
    let place = Place::new(&options.broker);
    let (digests, shelves) = (Digests::default(), Shelves::default());
    let gateway: Bus<Gateway> = place.connect(typebus::NoState).await?;
    let digest: Bus<Digest> = place.connect(digests.clone()).await?;
    let triage: Bus<Triage> = place.connect(Tracker::new(options.fail_rate)).await?;
    let archive: Bus<Archive> = place.connect(shelves.clone()).await?;

    let started = Instant::now();
    let running = typebus::start([&gateway, &digest, &triage, &archive]).await?;
    progress.expect(gateway::expected(&options.source, options.repeat));

    let stop = AtomicBool::new(false);
    let work = async {
        gateway::publish(&gateway, &options.source, options.repeat, &stop, &progress).await?;
        // What was published until here is settled; and once more, for what triage returned meanwhile.
        running.caught_up().await?;
        running.caught_up().await?;
        Ok::<_, RunError>(())
    };
    let two_signals = async {
        let second = interrupt.await;
        stop.store(true, Ordering::Relaxed);
        progress.say("Finishing what is published; once more to stop at once.");
        second.await;
        running.hurry();
    };
    tokio::select! {
        done = work => done?,
        () = two_signals => {}
        ended = running.finished() => ended?,
        () = progress.watch(&running) => {}
    }
    let elapsed = started.elapsed();
    progress.clear();

    let mut summary = Summary {
        file: options.source.path().to_owned(),
        lines: options.source.lines(),
        repeat: options.repeat,
        fail_rate: options.fail_rate,
        interrupted: stop.into_inner(),
        dead_letters: dead_letters(&triage).await?,
        archive: shelves.snapshot(),
        repositories: digests.snapshot(),
        elapsed,
        ..Summary::counted(&running.stats())
    };
    summary.digest = Summary::digest(&summary.repositories);
    running.stop().await?;
    Ok(summary)
}

/// Where the services of one run meet, and nobody else's.
struct Place {
    url: String,
    /// What the names of this run begin with on a broker that others use too.
    prefix: Option<String>,
}

impl Place {
    fn new(broker: &str) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        match broker {
            // Services that name the same memory share it.
            "memory:" => Self { url: format!("memory:webhooks-{run}"), prefix: None },
            url => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                Self { url: url.to_owned(), prefix: Some(format!("run-{now}-{run}")) }
            }
        }
    }

    async fn connect<S: Service + StateOf<T>, T>(&self, state: T) -> typebus::Result<Bus<S>> {
        let builder = Bus::<S>::builder().state(state);
        match &self.prefix {
            Some(prefix) => builder.prefix(prefix).connect(&self.url).await,
            None => builder.connect(&self.url).await,
        }
    }
}

/// What died in triage. Dead letters that are alike are counted together: a file may be all of one kind.
async fn dead_letters(triage: &Bus<Triage>) -> typebus::Result<Vec<DeadLetters>> {
    let mut alike = BTreeMap::new();
    let mut letters = triage.dead_letters("triage").list();
    while let Some(letter) = letters.next().await {
        let letter = letter?;
        let (handler, reason) = (letter.handler().to_owned(), letter.reason().to_string());
        let id = letter.metadata().id().to_owned();
        let (count, example) = alike
            .entry((handler, reason, letter.error().to_owned(), letter.attempts()))
            .or_insert_with(|| (0, id.clone()));
        *count += 1;
        // They come in no order; the shortest id is that of the first line.
        if (id.len(), &id) < (example.len(), example) {
            *example = id;
        }
    }
    let dead_letters = alike.into_iter().map(|((handler, reason, error, attempts), (count, example))| {
        DeadLetters { group: "triage".to_owned(), handler, reason, error, attempts, count, example }
    });
    let mut dead_letters: Vec<DeadLetters> = dead_letters.collect();
    dead_letters.sort_by(|a, b| (a.example.len(), &a.example).cmp(&(b.example.len(), &b.example)));
    Ok(dead_letters)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says so by failing")]
mod tests {
    use super::*;
    use crate::{lines::EXAMPLES, summary::Group};

    async fn run_twice(file: &std::path::Path, repeat: u64, fail_rate: f64) -> Summary {
        let options =
            Options { source: Source::open(file).unwrap(), repeat, fail_rate, broker: "memory:".into() };
        let run_once =
            || run(&options, Progress::hidden(), std::future::pending::<std::future::Pending<()>>());
        let (one, other) = (run_once().await.unwrap(), run_once().await.unwrap());
        assert_eq!(
            serde_json::to_string_pretty(&one).unwrap(),
            serde_json::to_string_pretty(&other).unwrap()
        );
        one
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_runs_come_to_the_same_and_every_event_is_accounted_for() {
        let summary = run_twice(EXAMPLES.as_ref(), 3, 0.3).await;
        assert!(summary.balanced && !summary.interrupted);
        for group in &summary.groups {
            assert_eq!(group.published, group.settled(), "{group:?}");
        }
        let from_gateway = |topic: &&String| topic.starts_with("github.") || topic.starts_with("gateway.");
        let from_gateway =
            summary.published.keys().filter(from_gateway).map(|topic| summary.published[topic]);
        assert_eq!(from_gateway.sum::<u64>(), gateway::expected(&Source::open(EXAMPLES).unwrap(), 3));
        let sum = |count: fn(&Group) -> u64| summary.groups.iter().map(count).sum::<u64>();
        // Five malformed lines thrice and one poison; its seven retries and those that helped.
        assert_eq!((summary.published["dead.triage"], sum(|it| it.dead_lettered)), (16, 16));
        assert!(sum(|it| it.retried) > 7 && sum(|it| it.discarded) > 0 && sum(|it| it.skipped) > 0);
        assert_eq!(summary.archive.others.values().sum::<u64>(), 3 * 140);
        assert!(summary.repositories.len() > 5);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_failures_only_the_poison_is_retried() {
        let summary = run_twice(EXAMPLES.as_ref(), 1, 0.0).await;
        assert_eq!(summary.groups.iter().map(|it| it.retried).sum::<u64>(), 7);
        let poison = summary.dead_letters.iter().find(|letters| letters.handler == "decide").unwrap();
        assert_eq!((poison.count, poison.attempts, &*poison.example), (1, 8, "335-1"));
        let unreadable = summary.dead_letters.iter().filter(|letters| letters.handler == "unreadable");
        assert_eq!(
            unreadable.map(|letters| (letters.count, letters.attempts)).collect::<Vec<_>>(),
            [(1, 1); 5]
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_binary_file_is_a_file_of_unreadable_lines() {
        let path = std::env::temp_dir().join(format!("typebus-webhooks-{}-binary", std::process::id()));
        std::fs::write(&path, b"\x7fELF\x02\x01\0\0\n\xff\xfe\xfd\n\0\0\0\n").unwrap();
        let summary = run_twice(&path, 2, 0.0).await;
        std::fs::remove_file(path).unwrap();
        // Three lines and the five that are added, twice.
        assert_eq!(summary.published["gateway.unreadable"], 16);
        assert!(summary.balanced);
    }

    #[tokio::test]
    async fn a_signal_ends_it_early_and_what_was_published_is_handled_still() {
        let source = Source::open(EXAMPLES).unwrap();
        let options = Options { source, repeat: 1_000_000, fail_rate: 0.0, broker: "memory:".into() };
        #[expect(clippy::async_yields_async, reason = "a first signal, and the wait for a second")]
        let signal = async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            std::future::pending::<()>()
        };
        let summary = run(&options, Progress::hidden(), signal).await.unwrap();
        assert!(summary.interrupted && summary.balanced);
    }
}
