//! A subscription that only this instance has: it is in no group, commits nothing, and leaves nothing behind.

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    metadata::Metadata,
};

use super::{
    errors::of_client,
    ledger::Ledger,
    names::physical,
    rebalance::Watch,
    record::Record,
    share::{Share, Stage},
};
use crate::{backend::Topic, error::Result, topic};

/// Where it reads, and how it finds what comes later.
pub(super) struct Instance {
    filter: Topic,
    refresh: Duration,
    next_look: Instant,
}

impl Instance {
    /// Begins where the subscription was provisioned.
    pub(super) fn begin(
        filter: &Topic,
        refresh: Duration,
        starts: &[(String, i32, u64)],
        (consumer, share): (&BaseConsumer<Watch>, &Share),
    ) -> Result<Self> {
        add(consumer, share, starts).map_err(|failure| of_client(&failure, "subscribe", "the assignment"))?;
        Ok(Self { filter: filter.clone(), refresh, next_look: Instant::now() + refresh })
    }

    /// The topic by which replies are addressed, where this reads them.
    pub(super) fn reader(&self) -> Option<&Topic> {
        (physical(&self.filter) != self.filter.as_str()).then_some(&self.filter)
    }

    /// Looks for topics and partitions that are new: they are read from their beginning.
    pub(super) fn look_for_more(&mut self, consumer: &BaseConsumer<Watch>, share: &Share) {
        if Instant::now() < self.next_look {
            return;
        }
        let name = physical(&self.filter);
        let wanted = (!topic::is_pattern(name)).then_some(name);
        if let Ok(metadata) = consumer.fetch_metadata(wanted, Duration::from_millis(500)) {
            let new: Vec<_> = {
                let state = share.lock();
                let is_new = |(topic, partition): &(String, i32)| {
                    let known = state.find(topic, *partition);
                    known.is_none_or(|at| state.parts[at as usize].stage != Stage::Ours)
                };
                matching(&metadata, name).filter(is_new).map(|(topic, at)| (topic, at, 0)).collect()
            };
            if !new.is_empty()
                && let Err(failure) = add(consumer, share, &new)
            {
                tracing::warn!(target: "typebus::kafka", %failure, "new partitions are not read yet");
            }
        }
        self.next_look = Instant::now() + self.refresh;
    }
}

/// The partitions of all topics that a topic or pattern receives.
pub(super) fn matching<'a>(
    metadata: &'a Metadata,
    filter: &'a str,
) -> impl Iterator<Item = (String, i32)> + 'a {
    let topics = metadata.topics().iter().filter(move |it| topic::matches(filter, it.name()));
    topics.flat_map(|it| it.partitions().iter().map(|partition| (it.name().to_owned(), partition.id())))
}

fn add(
    consumer: &BaseConsumer<Watch>,
    share: &Share,
    starts: &[(String, i32, u64)],
) -> rdkafka::error::KafkaResult<()> {
    let mut list = TopicPartitionList::with_capacity(starts.len());
    let mut state = share.lock();
    for (topic, partition, offset) in starts {
        let number = state.number(topic, *partition);
        state.begin(number, Ledger::new(*offset, Record::default(), None));
        // What is new may have lost its beginning already.
        let from = match offset {
            0 => Offset::Beginning,
            offset => Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX)),
        };
        list.add_partition_offset(topic, *partition, from)?;
    }
    drop(state);
    consumer.incremental_assign(&list)
}
