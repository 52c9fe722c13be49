//! The relay: publishes what waits in the outbox, in the order of each key, until it is confirmed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use typebus::{Prepared, Receipt, prelude::*};

use crate::{
    outbox::{Database, Row},
    shop::Shop,
};

/// How often the table is looked at, if no bell rings.
const LOOK: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One relay for each outbox: two would publish everything twice, and in no order.
pub struct Relay {
    pub bus: Bus<Shop>,
    pub database: Database,
    /// Rung after a commit, so that nothing waits for the next look.
    pub bell: Arc<Notify>,
}

impl Relay {
    /// Runs until it is dropped, which is as good as a crash: what was published and not marked comes again.
    pub async fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.pass().await {
                Ok(0) => {
                    pause = FIRST_PAUSE;
                    let _ = timeout(LOOK, self.bell.notified()).await;
                    continue;
                }
                Ok(_) => {}
                Err(error) => eprintln!("the outbox cannot be read, or not be marked: {error}"),
            }
            // The bell does not cut it short: a broker that is down must not be hammered.
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Publishes everything that waits, and says how many keys are stuck: an event that fails holds back the later ones
    /// of its key until the next pass, and no others. One that can never be published does so until somebody looks.
    pub async fn pass(&self) -> Result<usize, Failure> {
        let mut stuck: HashSet<Option<String>> = HashSet::new();
        let mut last = 0;
        loop {
            let rows = self.database.waiting(last)?;
            let Some(end) = rows.last() else { return Ok(stuck.len()) };
            last = end.seq;
            for row in rows {
                if stuck.contains(&row.key) {
                    continue;
                }
                match self.publish(&row).await {
                    // A crash here, between publishing and marking, is why an event may come twice.
                    Ok(_) => self.database.mark_published(row.seq)?,
                    Err(error) => {
                        self.database.mark_failed(row.seq, &error.to_string())?;
                        stuck.insert(row.key);
                    }
                }
            }
        }
    }

    /// Sends it with the id that it was given when it was prepared.
    pub async fn publish(&self, row: &Row) -> typebus::Result<Receipt> {
        self.bus.publish_prepared(&Prepared::from_bytes(&row.event)?).await
    }
}
