//! The watermark of one partition: up to where everything that was delivered is settled.
//!
//! Deliveries finish in any order, but a broker that stores one position wants it to mean 'all before this is
//! done'. So the floor follows the order of delivery.
//!
//! Invariants:
//! - The floor never passes a delivery that is not settled, and never falls.
//! - Positions may have holes (compaction, control records): only what was delivered counts, never position + 1,
//!   except at the end, where the floor is the highest position plus one.
//! - What is remembered reaches from the first unsettled delivery to the last taken one.

use std::collections::VecDeque;

/// What was taken from one partition during one assignment of it.
#[derive(Debug)]
pub(crate) struct Watermark {
    generation: u32,
    /// What was taken, in the order of delivery, from the first unsettled one on.
    taken: VecDeque<Taken>,
    /// The ticket of the first in `taken`.
    base: u64,
    highest: Option<u64>,
}

impl Watermark {
    /// For the assignment that is counted as `generation`.
    pub(crate) fn new(generation: u32) -> Self {
        Self { generation, taken: VecDeque::new(), base: 0, highest: None }
    }

    /// Tells the tickets of this assignment from those of an earlier one, which are void.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Remembers a delivery, and returns the ticket that settles it. Positions rise strictly.
    pub(crate) fn take(&mut self, position: u64) -> u64 {
        debug_assert!(
            self.highest.is_none_or(|highest| highest < position),
            "position {position} does not rise"
        );
        let ticket = self.base + self.taken.len() as u64;
        self.taken.push_back(Taken { position, settled: false });
        self.highest = Some(position);
        ticket
    }

    /// Remembers a delivery that is settled already; true when the floor rose. Positions rise strictly.
    pub(crate) fn pass(&mut self, position: u64) -> bool {
        if !self.taken.is_empty() {
            let ticket = self.take(position);
            return self.settle(ticket);
        }
        debug_assert!(
            self.highest.is_none_or(|highest| highest < position),
            "position {position} does not rise"
        );
        self.highest = Some(position);
        true
    }

    /// True when the floor rose. A ticket counts once: a second time it changes nothing.
    pub(crate) fn settle(&mut self, ticket: u64) -> bool {
        let index = ticket.checked_sub(self.base).and_then(|index| usize::try_from(index).ok());
        let Some(taken) = index.and_then(|index| self.taken.get_mut(index)) else { return false };
        if taken.settled {
            return false;
        }
        taken.settled = true;
        let before = self.base;
        while self.taken.front().is_some_and(|first| first.settled) {
            self.taken.pop_front();
            self.base += 1;
        }
        self.base != before
    }

    /// The lowest position that is delivered and not settled; the highest delivered plus one when there is none;
    /// nothing before the first delivery.
    pub(crate) fn floor(&self) -> Option<u64> {
        match self.taken.front() {
            Some(first) => Some(first.position),
            None => self.highest.map(|highest| highest.saturating_add(1)),
        }
    }

    /// The positions between the floor and the highest that was taken: what a crash may repeat.
    pub(crate) fn gap(&self) -> u64 {
        self.highest.zip(self.floor()).map_or(0, |(highest, floor)| highest.saturating_sub(floor))
    }

    /// How many deliveries are taken and not settled.
    #[cfg(test)]
    pub(crate) fn unsettled(&self) -> usize {
        self.taken.iter().filter(|taken| !taken.settled).count()
    }
}

#[derive(Debug)]
struct Taken {
    position: u64,
    settled: bool,
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;

    #[test]
    fn nothing_delivered_is_no_floor() {
        let watermark = Watermark::new(3);
        assert_eq!(watermark.generation(), 3);
        assert_eq!((watermark.floor(), watermark.gap(), watermark.unsettled()), (None, 0, 0));
    }

    #[test]
    fn the_floor_waits_for_the_slowest() {
        let mut watermark = Watermark::new(1);
        let [first, second, third] = [10, 20, 30].map(|position| watermark.take(position));
        assert_eq!((watermark.floor(), watermark.gap(), watermark.unsettled()), (Some(10), 20, 3));
        assert!(!watermark.settle(third));
        assert!(!watermark.settle(second));
        assert_eq!((watermark.floor(), watermark.gap(), watermark.unsettled()), (Some(10), 20, 1));
        assert!(watermark.settle(first));
        assert_eq!((watermark.floor(), watermark.gap(), watermark.unsettled()), (Some(31), 0, 0));
    }

    #[test]
    fn a_hole_is_no_delivery() {
        let mut watermark = Watermark::new(1);
        let first = watermark.take(5);
        watermark.take(1_000);
        assert!(watermark.settle(first));
        assert_eq!(watermark.floor(), Some(1_000), "not 6: nothing between was delivered");
        assert_eq!(watermark.gap(), 0, "one delivery is no distance");
    }

    #[test]
    fn a_ticket_counts_once() {
        let mut watermark = Watermark::new(1);
        let [first, second, third] = [1, 2, 3].map(|position| watermark.take(position));
        assert!(watermark.settle(first));
        assert!(!watermark.settle(first), "it is behind the floor");
        assert!(!watermark.settle(third));
        assert!(!watermark.settle(third), "it is above the floor");
        assert!(!watermark.settle(third + 1), "nobody took it");
        assert!(!watermark.settle(u64::MAX));
        assert_eq!((watermark.floor(), watermark.unsettled()), (Some(2), 1));
        assert!(watermark.settle(second));
        assert_eq!((watermark.floor(), watermark.unsettled()), (Some(4), 0));
    }

    #[test]
    fn what_is_passed_needs_no_ticket() {
        let mut watermark = Watermark::new(1);
        assert!(watermark.pass(4));
        assert_eq!((watermark.floor(), watermark.gap(), watermark.unsettled()), (Some(5), 0, 0));
        let ticket = watermark.take(6);
        assert!(!watermark.pass(9), "it is above the floor");
        assert_eq!((watermark.floor(), watermark.gap(), watermark.unsettled()), (Some(6), 3, 1));
        assert!(watermark.settle(ticket));
        assert_eq!((watermark.floor(), watermark.gap(), watermark.unsettled()), (Some(10), 0, 0));
    }

    #[test]
    fn the_last_position_of_all_does_not_overflow() {
        let mut watermark = Watermark::new(1);
        let ticket = watermark.take(u64::MAX);
        assert!(watermark.settle(ticket));
        assert_eq!((watermark.floor(), watermark.gap()), (Some(u64::MAX), 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// The distance to the last position: above 1 it is a hole.
        Take(u64),
        /// The same, for what is settled already.
        Pass(u64),
        /// Any ticket ever given, those settled before with it.
        Settle(Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        let distance = prop_oneof![Just(1), 2..50_u64];
        prop_oneof![
            4 => distance.clone().prop_map(Step::Take),
            1 => distance.prop_map(Step::Pass),
            4 => any::<Index>().prop_map(Step::Settle),
        ]
    }

    /// A delivery as the oracle remembers it: for ever.
    #[derive(Debug)]
    struct Delivered {
        position: u64,
        /// None for what was passed.
        ticket: Option<u64>,
        settled: bool,
    }

    fn lowest_unsettled(history: &[Delivered]) -> Option<u64> {
        history.iter().filter(|delivered| !delivered.settled).map(|delivered| delivered.position).min()
    }

    fn check(watermark: &Watermark, history: &[Delivered]) {
        let highest = history.last().map(|last| last.position);
        let lowest = lowest_unsettled(history);
        assert_eq!(watermark.floor(), lowest.or(highest.map(|highest| highest + 1)));
        assert_eq!(watermark.gap(), lowest.zip(highest).map_or(0, |(lowest, highest)| highest - lowest));
        assert_eq!(watermark.unsettled(), history.iter().filter(|delivered| !delivered.settled).count());
        let kept =
            history.iter().filter(|delivered| lowest.is_some_and(|lowest| lowest <= delivered.position));
        assert_eq!(watermark.taken.len(), kept.count(), "nothing below the floor is remembered");
    }

    fn settle(watermark: &mut Watermark, history: &mut [Delivered], at: usize) {
        let Some(ticket) = history[at].ticket else { return };
        let before = watermark.floor();
        let rose = watermark.settle(ticket);
        history[at].settled = true;
        assert_eq!(rose, watermark.floor() > before, "the answer says whether the floor rose");
        check(watermark, history);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_floor_never_passes_what_is_not_settled(
            start in 0..1_000_u64,
            steps in prop::collection::vec(step(), 0..100),
            rest in any::<prop::sample::Selector>(),
        ) {
            let mut watermark = Watermark::new(0);
            let mut history: Vec<Delivered> = Vec::new();
            let mut position = start;
            let mut floor = None;
            for step in steps {
                match step {
                    Step::Take(distance) => {
                        position += distance;
                        let ticket = Some(watermark.take(position));
                        prop_assert!(history.iter().all(|delivered| delivered.ticket != ticket));
                        history.push(Delivered { position, ticket, settled: false });
                        check(&watermark, &history);
                    }
                    Step::Pass(distance) => {
                        position += distance;
                        let before = watermark.floor();
                        let rose = watermark.pass(position);
                        history.push(Delivered { position, ticket: None, settled: true });
                        prop_assert_eq!(rose, watermark.floor() > before);
                        check(&watermark, &history);
                    }
                    Step::Settle(_) if history.is_empty() => {}
                    Step::Settle(index) => {
                        let at = index.index(history.len());
                        settle(&mut watermark, &mut history, at);
                    }
                }
                prop_assert!(watermark.floor() >= floor, "the floor never falls");
                floor = watermark.floor();
            }
            // What is left is settled in an order of its own.
            loop {
                let open = (0..history.len()).filter(|&at| !history[at].settled);
                let Some(at) = rest.try_select(open) else { break };
                settle(&mut watermark, &mut history, at);
            }
            prop_assert_eq!(watermark.floor(), history.last().map(|last| last.position + 1));
        }
    }
}
