//! The order in which deliveries arrived, however they leave: which is the oldest is known at once.

use crate::clock::Moment;

/// A list through the places of [`Held`](super::held::Held), from the oldest to the youngest.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// By place.
    links: Vec<Link>,
    first: u32,
    last: u32,
}

/// Nothing before, or nothing after.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    since: Moment,
}

impl Arrivals {
    /// For so many places.
    pub(crate) fn with_capacity(places: usize) -> Self {
        let link = Link { before: NONE, after: NONE, since: Moment::default() };
        Self { links: vec![link; places], first: NONE, last: NONE }
    }

    /// Puts a place at the end; it is not in the list.
    pub(crate) fn add(&mut self, place: u32, now: Moment) {
        self.links[place as usize] = Link { before: self.last, after: NONE, since: now };
        match self.links.get_mut(self.last as usize) {
            Some(last) => last.after = place,
            None => self.first = place,
        }
        self.last = place;
    }

    /// Takes a place out; it is in the list.
    pub(crate) fn remove(&mut self, place: u32) {
        let Link { before, after, .. } = self.links[place as usize];
        match self.links.get_mut(before as usize) {
            Some(before) => before.after = after,
            None => self.first = after,
        }
        match self.links.get_mut(after as usize) {
            Some(after) => after.before = before,
            None => self.last = before,
        }
    }

    /// Since when the oldest is there.
    pub(crate) fn first(&self) -> Option<Moment> {
        self.links.get(self.first as usize).map(|link| link.since)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_the_oldest_of_those_that_are_left(steps in prop::collection::vec((any::<bool>(), 0..8_u32), 0..100)) {
            let mut arrivals = Arrivals::with_capacity(8);
            let mut model: VecDeque<(u32, Moment)> = VecDeque::new();
            for (nanos, (adds, place)) in (0..).zip(steps) {
                let now = Moment::from_nanos(nanos);
                let at = model.iter().position(|(known, _)| *known == place);
                match at {
                    None if adds => {
                        arrivals.add(place, now);
                        model.push_back((place, now));
                    }
                    Some(at) if !adds => {
                        arrivals.remove(place);
                        model.remove(at);
                    }
                    None | Some(_) => {}
                }
                prop_assert_eq!(arrivals.first(), model.front().map(|(_, since)| *since));
            }
        }
    }
}
