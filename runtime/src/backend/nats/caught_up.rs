//! Waiting until a group has settled what was published so far.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Core, letters, names, not_provisioned,
    sources::{Source, sources},
    topology,
};
use crate::{backend::Subscription, error::Result};

/// The pauses between two looks at a consumer.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(200);

/// Completes when every consumer of the subscription has settled what its stream holds now, and what waits now for its
/// time; fails when the connection closes before.
pub(super) async fn wait(core: &Core, subscription: &Subscription) -> Result<()> {
    for source in sources(&core.options, &subscription.filter) {
        settled(core, subscription, &source).await?;
    }
    Ok(())
}

async fn settled(core: &Core, subscription: &Subscription, source: &Source) -> Result<()> {
    let name = names::consumer(subscription);
    let limit = core.options.request_timeout;
    let mut pause = SHORTEST;
    let mut target = None;
    let mut is_due = false;
    let mut later_than = 0;
    loop {
        core.open_for("catch up")?;
        let link = core.control().await?;
        let missing = || not_provisioned("catch up", subscription);
        let stream = topology::stream(&link, &source.stream).await?.ok_or_else(missing)?;
        let last = stream.cached_info().state.last_sequence;
        if target.is_none() {
            (target, later_than) = (Some(last), last);
        }
        if !is_due {
            // What waits for its time is stored anew when it has come.
            let laters = names::laters(names::first_token(&source.filters[0]));
            let first = letters::next(&link, &source.stream, &laters, 1, limit).await?;
            if first.is_none_or(|first| first.sequence > later_than) {
                let now = topology::stream(&link, &source.stream).await?.ok_or_else(missing)?;
                let now = now.cached_info().state.last_sequence;
                // Nothing was due meanwhile if it is the first look.
                if pause > SHORTEST {
                    target = Some(now);
                }
                is_due = true;
            }
        }
        if is_due {
            let info = topology::consumer(&link, &stream, &name).await?.ok_or_else(missing)?;
            let is_empty = info.num_pending == 0 && info.num_ack_pending == 0;
            if is_empty || target.is_some_and(|target| info.ack_floor.stream_sequence >= target) {
                return Ok(());
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}
