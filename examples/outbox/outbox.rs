//! The database, and the table in which events wait until they are published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Result, Transaction};

/// A connection that is shared. What it does here takes microseconds; slower work belongs into `spawn_blocking`.
#[derive(Clone)]
pub struct Database(Arc<Mutex<Connection>>);

/// An event that is not marked as published.
pub struct Row {
    pub seq: i64,
    pub key: Option<String>,
    pub event: Vec<u8>,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, customer TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT, event BLOB NOT NULL,
        published INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, error TEXT
    );
    CREATE INDEX IF NOT EXISTS waiting ON outbox (seq) WHERE published = 0;
    CREATE TABLE IF NOT EXISTS parcels (id TEXT PRIMARY KEY, number INTEGER NOT NULL, customer TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS deliveries (id TEXT NOT NULL);
";

impl Database {
    /// Opens a file, or `:memory:`.
    pub fn open(path: &str) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(TABLES)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what `work` does if it succeeds, and nothing else.
    pub fn transaction<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// What waits behind `last`, oldest first, as much as is good for one look.
    pub fn waiting(&self, last: i64) -> Result<Vec<Row>> {
        const WAITING: &str =
            "SELECT seq, key, event FROM outbox WHERE published = 0 AND seq > ? ORDER BY seq LIMIT 100";
        let connection = self.lock();
        let row =
            |row: &rusqlite::Row<'_>| Ok(Row { seq: row.get(0)?, key: row.get(1)?, event: row.get(2)? });
        connection.prepare(WAITING)?.query_map([last], row)?.collect()
    }

    /// The broker has confirmed it.
    pub fn mark_published(&self, seq: i64) -> Result<()> {
        self.lock().execute("UPDATE outbox SET published = 1, error = NULL WHERE seq = ?", [seq]).map(drop)
    }

    /// The broker has not, and why, for whoever looks after the table.
    pub fn mark_failed(&self, seq: i64, error: &str) -> Result<()> {
        let failed = "UPDATE outbox SET failures = failures + 1, error = ? WHERE seq = ?";
        self.lock().execute(failed, (error, seq)).map(drop)
    }

    /// Every id in a table, in the order of writing.
    pub fn ids(&self, table: &str) -> Result<Vec<String>> {
        let connection = self.lock();
        let mut ids = connection.prepare(&format!("SELECT id FROM {table} ORDER BY rowid"))?;
        ids.query_map([], |row| row.get(0))?.collect()
    }
}
