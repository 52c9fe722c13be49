//! The runtime's own counters.

use std::collections::BTreeMap;

/// What became of every delivery, and what was published; from [`Running::stats`](crate::Running::stats).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    groups: Vec<GroupStats>,
    published: BTreeMap<String, u64>,
    late_replies: u64,
}

/// The deliveries of one subscription.
///
/// What was received and has ended is in exactly one of `handled`, `discarded`, `skipped`, `dead_lettered`, `repeats`
/// and `expired`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStats {
    /// The service.
    pub service: &'static str,
    /// The group.
    pub group: String,
    /// The topic or pattern.
    pub topic: String,
    /// Deliveries taken from the broker; one that came again after a revocation or loss is counted again.
    pub received: u64,
    /// Settled after their handler.
    pub handled: u64,
    /// Settled because an outcome, or `dead_letter = discard`, said so.
    pub discarded: u64,
    /// Settled because the group does not handle the event.
    pub skipped: u64,
    /// Settled after their dead letter was confirmed.
    pub dead_lettered: u64,
    /// Settled without being run, since they repeat finished work.
    pub repeats: u64,
    /// Attempts that failed and were repeated.
    pub retried: u64,
    /// Requests that were settled without being run, since nobody waited for the reply any more.
    pub expired: u64,
}

impl GroupStats {
    /// How many deliveries have ended.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.handled + self.discarded + self.skipped + self.dead_lettered + self.repeats + self.expired
    }
}

impl Stats {
    pub(crate) fn new(
        groups: Vec<GroupStats>,
        counts: impl Iterator<Item = (String, u64)>,
        late_replies: u64,
    ) -> Self {
        let mut published = BTreeMap::new();
        for (topic, count) in counts {
            *published.entry(topic).or_default() += count;
        }
        Self { groups, published, late_replies }
    }

    /// By service and subscription.
    #[must_use]
    pub fn groups(&self) -> &[GroupStats] {
        &self.groups
    }

    /// Replies for which nobody waited: they came after the time-out, for a call that was dropped, or a second time.
    #[must_use]
    pub const fn late_replies(&self) -> u64 {
        self.late_replies
    }

    /// Confirmed events by topic, dead letters included.
    pub fn published(&self) -> impl Iterator<Item = (&str, u64)> {
        self.published.iter().map(|(topic, count)| (topic.as_str(), *count))
    }
}
