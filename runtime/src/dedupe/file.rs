//! A dedupe store in a file, by the embedded database redb.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::{Begun, Claim, DedupeStore};
use crate::{
    backend::BoxFuture,
    error::{BoxError, Error, ErrorKind, Result},
};

/// State by [`Claim::key`]: when it ends, in milliseconds since 1970, and the owner; without an owner it is done.
const WORK: TableDefinition<'_, &[u8], (u64, Option<&str>)> = TableDefinition::new("work");
/// What may be forgotten, by the moment.
const ENDS: TableDefinition<'_, (u64, &[u8]), ()> = TableDefinition::new("ends");
/// How many pieces of work are forgotten with each that is finished, at most.
const FORGOTTEN_AT_ONCE: usize = 16;

/// A store in a file: what it remembers outlives the process. Feature `redb`.
///
/// The file belongs to one process at a time, so it is refused with a broker that others share, unless the program says
/// that it is [the only instance](Self::of_the_only_instance).
///
/// Finished work is on disk before its delivery is settled. A claim that is only under way is not: if the process dies,
/// the next one begins the work again at once. Calls run on tokio's threads for blocking work. Windows are measured by
/// the wall clock.
///
/// ```no_run
/// # use typebus::prelude::*;
/// # service! { pub Billing = "billing" { } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> typebus::Result<()> {
/// let store = typebus::FileStore::open("billing.dedupe")?.of_the_only_instance();
/// let bus = Bus::<Billing>::builder().dedupe_store(store).connect("memory:").await?;
/// # drop(bus);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileStore {
    database: Arc<Database>,
    is_local: bool,
}

impl FileStore {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// `Config`: it cannot be opened or created, is no such file, or another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let database = Database::create(path).map_err(redb::Error::from).and_then(|database| {
            let writing = database.begin_write()?;
            writing.open_table(WORK)?;
            writing.open_table(ENDS)?;
            writing.commit()?;
            Ok(database)
        });
        let database = database.map_err(|error| {
            let text = format!("the dedupe store {} cannot be opened: {error}", path.display());
            Error::new(ErrorKind::Config, "open", text).because(error)
        })?;
        Ok(Self { database: Arc::new(database), is_local: true })
    }

    /// Says that no other instance of the service runs at the same time, so that what this process knows is all there is
    /// to know, on any broker.
    #[must_use]
    pub fn of_the_only_instance(mut self) -> Self {
        self.is_local = false;
        self
    }

    /// Runs `work` where it may block.
    fn run<'a, T: Send + 'static>(
        &self,
        claim: &Claim,
        work: impl FnOnce(&Database, &Claim) -> Result<T, redb::Error> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, BoxError>> {
        let (database, claim) = (Arc::clone(&self.database), claim.clone());
        let blocking = tokio::task::spawn_blocking(move || work(&database, &claim));
        Box::pin(async move { Ok(blocking.await??) })
    }
}

impl DedupeStore for FileStore {
    fn begin<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Begun, BoxError>> {
        self.run(claim, |database, claim| {
            let mut writing = database.begin_write()?;
            // Whoever dies under way need not be waited for.
            writing.set_durability(Durability::None)?;
            let now = millis(SystemTime::now());
            let key = claim.key();
            let begun = match writing.open_table(WORK)?.get(&*key)?.map(|state| {
                let (until, owner) = state.value();
                (until, owner.map(|owner| owner == claim.owner))
            }) {
                Some((until, None)) if until > now => Begun::Done,
                Some((until, Some(false))) if until > now => {
                    Begun::Running(Duration::from_millis(until - now))
                }
                Some(_) | None => Begun::New,
            };
            if begun == Begun::New {
                let until = now.saturating_add(whole_millis(claim.lease));
                remember(&writing, &key, until, Some(&claim.owner))?;
                writing.commit()?;
            }
            Ok(begun)
        })
    }

    fn done<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        self.run(claim, |database, claim| {
            let writing = database.begin_write()?;
            let now = millis(SystemTime::now());
            forget(&writing, now)?;
            remember(&writing, &claim.key(), now.saturating_add(whole_millis(claim.window)), None)?;
            Ok(writing.commit()?)
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        self.run(claim, |database, claim| {
            let mut writing = database.begin_write()?;
            writing.set_durability(Durability::None)?;
            {
                let mut work = writing.open_table(WORK)?;
                let key = claim.key();
                let until = work.get(&*key)?.and_then(|state| {
                    let (until, owner) = state.value();
                    (owner == Some(&*claim.owner)).then_some(until)
                });
                if let Some(until) = until {
                    work.remove(&*key)?;
                    writing.open_table(ENDS)?.remove((until, &*key))?;
                }
            }
            Ok(writing.commit()?)
        })
    }

    fn is_local(&self) -> bool {
        self.is_local
    }
}

/// Writes a state in the place of what was known.
fn remember(
    writing: &WriteTransaction,
    key: &[u8],
    until: u64,
    owner: Option<&str>,
) -> Result<(), redb::Error> {
    let mut ends = writing.open_table(ENDS)?;
    let before = writing.open_table(WORK)?.insert(key, (until, owner))?.map(|before| before.value().0);
    if let Some(before) = before {
        ends.remove((before, key))?;
    }
    ends.insert((until, key), ())?;
    Ok(())
}

/// Drops some of what is over.
fn forget(writing: &WriteTransaction, now: u64) -> Result<(), redb::Error> {
    let mut ends: Table<'_, (u64, &[u8]), ()> = writing.open_table(ENDS)?;
    let mut over: Vec<(u64, Vec<u8>)> = Vec::new();
    for entry in ends.range(..(now, &[][..]))?.take(FORGOTTEN_AT_ONCE) {
        let (key, _) = entry?;
        let (until, key) = key.value();
        over.push((until, key.to_vec()));
    }
    let mut work = writing.open_table(WORK)?;
    for (until, key) in over {
        ends.remove((until, &*key))?;
        work.remove(&*key)?;
    }
    Ok(())
}

fn millis(time: SystemTime) -> u64 {
    whole_millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.database.begin_read().ok().and_then(|reading| {
            let work = reading.open_table(WORK).ok()?;
            redb::ReadableTableMetadata::len(&work).ok()
        });
        write!(f, "FileStore({} pieces of work)", count.unwrap_or_default())
    }
}
