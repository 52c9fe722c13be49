//! What was delivered on one channel and is not acknowledged: which tags may be acknowledged together.

use std::collections::VecDeque;

/// An acknowledgement to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) tag: u64,
    /// Everything below it too.
    pub(super) multiple: bool,
}

/// The deliveries of one channel. Their tags are consecutive.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// The lowest tag that is not forgotten.
    first: u64,
    states: VecDeque<State>,
    /// Settled tags that no acknowledgement was sent for.
    pending: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    Settled,
    Acknowledged,
}

impl Tags {
    pub(super) fn new() -> Self {
        Self { first: 1, ..Self::default() }
    }

    /// A delivery arrived.
    pub(super) fn arrive(&mut self, tag: u64) {
        while self.first + (self.states.len() as u64) < tag {
            // The channel has no such tags; nobody asks for them.
            self.states.push_back(State::Acknowledged);
        }
        self.states.push_back(State::Held);
    }

    /// Whether it was settled now, and not before.
    pub(super) fn settle(&mut self, tag: u64) -> bool {
        let Some(state) = self.at(tag) else { return false };
        if *state != State::Held {
            return false;
        }
        *state = State::Settled;
        self.pending.push(tag);
        true
    }

    /// How many are settled and not acknowledged.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether everything below is settled.
    pub(super) fn is_lowest(&self, tag: u64) -> bool {
        let below = usize::try_from(tag.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.states.iter().take(below).all(|state| *state != State::Held)
    }

    /// Whether anything is neither settled nor acknowledged.
    pub(super) fn is_holding(&self) -> bool {
        self.states.contains(&State::Held)
    }

    /// What to send for what is settled: one for the run at the begin, and one for each above a gap.
    pub(super) fn acknowledge(&mut self, into: &mut Vec<Ack>) {
        if self.pending.is_empty() {
            return;
        }
        let mut run = None;
        let mut members = 0;
        while let Some(state) = self.states.front() {
            match state {
                State::Held => break,
                State::Settled => {
                    run = Some(self.first);
                    members += 1;
                }
                State::Acknowledged => {}
            }
            self.states.pop_front();
            self.first += 1;
        }
        if let Some(tag) = run {
            into.push(Ack { tag, multiple: members > 1 });
        }
        for tag in std::mem::take(&mut self.pending) {
            if let Some(state) = self.at(tag) {
                *state = State::Acknowledged;
                into.push(Ack { tag, multiple: false });
            }
        }
    }

    fn at(&mut self, tag: u64) -> Option<&mut State> {
        self.states.get_mut(usize::try_from(tag.checked_sub(self.first)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn acks(tags: &mut Tags) -> Vec<(u64, bool)> {
        let mut acks = Vec::new();
        tags.acknowledge(&mut acks);
        acks.iter().map(|ack| (ack.tag, ack.multiple)).collect()
    }

    #[test]
    fn a_run_is_acknowledged_at_once_and_what_is_above_a_gap_alone() {
        let mut tags = Tags::new();
        (1..=6).for_each(|tag| tags.arrive(tag));
        [2, 3, 5].into_iter().for_each(|tag| assert!(tags.settle(tag)));
        assert_eq!(acks(&mut tags), [(2, false), (3, false), (5, false)]);
        assert!(!tags.settle(3) && !tags.settle(9) && !tags.settle(0));
        assert!(tags.settle(1) && tags.settle(4));
        assert_eq!(acks(&mut tags), [(4, true)]);
        assert!(tags.is_holding() && tags.is_lowest(6));
        assert!(tags.settle(6));
        assert_eq!(acks(&mut tags), [(6, false)]);
        assert!(!tags.is_holding());
        assert_eq!(acks(&mut tags), []);
    }

    proptest! {
        /// A server that refuses what AMQP refuses.
        #[test]
        fn every_settled_tag_is_acknowledged_once_and_no_other(order in Just((1..=40_u64).collect::<Vec<_>>()).prop_shuffle(), every in 1..9_usize) {
            let mut tags = Tags::new();
            (1..=40).for_each(|tag| tags.arrive(tag));
            let mut unacknowledged: std::collections::BTreeSet<u64> = (1..=40).collect();
            let mut settled = std::collections::BTreeSet::new();
            for chunk in order.chunks(every) {
                for tag in chunk {
                    prop_assert!(tags.settle(*tag));
                    settled.insert(*tag);
                }
                for (tag, multiple) in acks(&mut tags) {
                    prop_assert!(unacknowledged.contains(&tag), "the server closes the channel");
                    let gone: Vec<u64> = unacknowledged.iter().copied().filter(|other| *other == tag || (multiple && *other < tag)).collect();
                    for tag in gone {
                        prop_assert!(settled.contains(&tag), "{tag} is not settled");
                        unacknowledged.remove(&tag);
                    }
                }
                prop_assert!(settled.iter().all(|tag| !unacknowledged.contains(tag)));
            }
            prop_assert!(!tags.is_holding());
        }
    }
}
