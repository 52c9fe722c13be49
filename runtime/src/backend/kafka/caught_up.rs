//! Waiting until a group has settled what was published so far.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use rdkafka::{
    Message as _,
    consumer::{BaseConsumer, Consumer as _},
    producer::Producer as _,
};
use tokio::time::{Instant, sleep};

use super::{
    commit::committed,
    connect::{metadata, off},
    errors::{closed, of_client},
    instance::matching,
    ledger::Ledger,
    names::{group_of, physical},
    patience::patiently,
    publish::Outbox,
    rebalance::unsigned,
    scratch::{OffThread, Quiet, read, scratch},
    share::{Share, Stage},
};
use crate::{backend::Subscription, error::Result, topic};

/// A partition, and the end that it is to reach.
type Target = (String, i32, u64);

/// How often to look.
const PAUSE: Duration = Duration::from_millis(30);
/// After how long without progress it is asked whether there is anything left to progress to.
const STUCK: Duration = Duration::from_millis(700);

/// Completes when everything below the ends of now is settled; fails when the connection closes before. A
/// subscription of one instance commits nothing, so that its own consumers are asked.
pub(super) async fn wait(
    outbox: &Arc<Outbox>,
    subscription: &Subscription,
    consumers: impl Fn() -> Vec<Weak<Share>>,
) -> Result<()> {
    let (group, filter) = (group_of(subscription), physical(&subscription.filter).to_owned());
    let asked = outbox.clone();
    let (mut consumer, mut targets) = off("catch up", move || ends(&asked, &group, &filter)).await?;
    let mut progress = Instant::now();
    loop {
        let before = targets.len();
        if subscription.instance.is_some() {
            let shares: Vec<Arc<Share>> = consumers().iter().filter_map(Weak::upgrade).collect();
            targets.retain(|target| !shares.iter().any(|share| is_settled(share, target)));
        } else {
            let (timeout, is_stuck) = (outbox.options().timeout, progress.elapsed() >= STUCK);
            (consumer, targets) = off("catch up", move || {
                let left = left(&consumer, targets, timeout, is_stuck)?;
                Ok((consumer, left))
            })
            .await?;
            if is_stuck {
                progress = Instant::now();
            }
        }
        if targets.is_empty() {
            return Ok(());
        }
        if targets.len() < before {
            progress = Instant::now();
        }
        if outbox.is_closed() {
            return Err(closed("catch up"));
        }
        sleep(PAUSE).await;
    }
}

fn ends(outbox: &Outbox, group: &str, filter: &str) -> Result<(OffThread, Vec<Target>)> {
    let options = outbox.options();
    let wanted = (!topic::is_pattern(filter)).then_some(filter);
    let found =
        metadata(outbox.client().client(), outbox.trouble(), (wanted, "catch up"), options.connect_timeout)?;
    let consumer = scratch(options, group, "catch up")?;
    let mut targets = Vec::new();
    for (topic, partition) in matching(&found, filter) {
        let ask = || consumer.fetch_watermarks(&topic, partition, options.timeout);
        let (low, high) =
            patiently(options.timeout, ask).map_err(|failure| of_client(&failure, "catch up", &topic))?;
        if high > low {
            targets.push((topic, partition, unsigned(high)));
        }
    }
    Ok((OffThread::new(consumer), targets))
}

fn is_settled(share: &Share, (topic, partition, end): &Target) -> bool {
    let state = share.lock();
    let part = state.find(topic, *partition).and_then(|at| state.parts.get(at as usize));
    part.is_some_and(|part| part.stage == Stage::Ours && part.ledger.floor() >= *end)
}

/// Those that are not reached yet.
fn left(
    consumer: &OffThread,
    targets: Vec<Target>,
    timeout: Duration,
    is_stuck: bool,
) -> Result<Vec<Target>> {
    let Some(consumer) = consumer.get() else { return Ok(targets) };
    if targets.is_empty() {
        return Ok(targets);
    }
    let partitions: Vec<_> =
        targets.iter().map(|(topic, partition, _)| (topic.clone(), *partition)).collect();
    let found = patiently(timeout, || committed(consumer, &partitions, timeout))
        .map_err(|failure| of_client(&failure, "catch up", "what the group committed"))?;
    let mut left = Vec::new();
    for (target, found) in targets.into_iter().zip(found) {
        let (floor, record) = found.unwrap_or_default();
        let ledger = Ledger::new(floor, record.clone(), None);
        if ledger.floor() >= target.2 {
            continue;
        }
        if is_stuck
            && !has_unsettled(consumer, &target, ledger.floor(), timeout, |offset| record.is_done(offset))?
        {
            continue;
        }
        left.push(target);
    }
    Ok(left)
}

/// Whether there is a message to settle at all: the last offsets of a partition may be marks of transactions, which
/// are never delivered.
fn has_unsettled(
    consumer: &BaseConsumer<Quiet>,
    (topic, partition, end): &Target,
    floor: u64,
    timeout: Duration,
    is_done: impl Fn(u64) -> bool,
) -> Result<bool> {
    let mut found = false;
    read(consumer, (topic, *partition), Some(floor), timeout, |message| {
        let offset = unsigned(message.offset());
        found = offset < *end && !is_done(offset);
        offset < *end && !found
    })?;
    Ok(found)
}
