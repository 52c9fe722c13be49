//! Exact lanes: the deliveries of one key stand in one line, and only the first of a line may run.
//!
//! Invariants:
//! - A lane is one exact key. The hash only finds it; `same` decides, so that keys whose hashes collide stay apart.
//! - Within a lane the order is the order of arrival, and exactly one delivery is the head.
//! - A lane exists exactly while a delivery is in it: what is kept is bounded by what is held, whatever the keys.
//! - Nothing here allocates after [`Lanes::with_capacity`].

use std::mem;

use hashbrown::{HashTable, hash_table::Entry};

/// The lanes of one subscription. An id is the index of a held delivery, and stands in one place at most.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: HashTable<Lane>,
    /// By id.
    places: Box<[Place]>,
    len: usize,
}

impl Lanes {
    /// For the ids `0..held`.
    pub(crate) fn with_capacity(held: usize) -> Self {
        Self {
            // Removals leave tombstones. A table that is at most half full clears them in place; a fuller one
            // would move to a new allocation.
            lanes: HashTable::with_capacity(held * 2),
            places: vec![Place::Nowhere; held].into(),
            len: 0,
        }
    }

    /// Puts `id` behind the others of its key: into the lane with this hash whose head is the `same`, or into a
    /// new one. True when it is the head, and so may run.
    pub(crate) fn arrive(&mut self, id: u32, hash: u64, same: impl Fn(u32) -> bool) -> bool {
        debug_assert!(matches!(self.places[id as usize], Place::Nowhere), "{id} stands in a lane already");
        let is_its = |lane: &Lane| lane.hash == hash && same(lane.head);
        let ahead = match self.lanes.entry(hash, is_its, |lane| lane.hash) {
            Entry::Occupied(mut lane) => Some(mem::replace(&mut lane.get_mut().tail, id)),
            Entry::Vacant(free) => {
                free.insert(Lane { hash, head: id, tail: id });
                None
            }
        };
        if let Some(link) = ahead.and_then(|ahead| self.link(ahead)) {
            link.behind = Some(id);
        }
        self.places[id as usize] = Place::Lane(Link { hash, ahead, behind: None });
        self.len += 1;
        ahead.is_none()
    }

    /// Whether a delivery of this lane stands in it: whoever comes next has to wait.
    pub(crate) fn is_taken(&self, hash: u64, same: impl Fn(u32) -> bool) -> bool {
        self.lanes.find(hash, |lane| lane.hash == hash && same(lane.head)).is_some()
    }

    /// Takes in a delivery that nothing orders: it is a head, and nobody ever waits for it.
    pub(crate) fn arrive_alone(&mut self, id: u32) {
        debug_assert!(matches!(self.places[id as usize], Place::Nowhere), "{id} stands in a lane already");
        self.places[id as usize] = Place::Alone;
        self.len += 1;
    }

    /// The delivery directly behind `id` in its lane.
    pub(crate) fn next(&self, id: u32) -> Option<u32> {
        match self.places[id as usize] {
            Place::Lane(link) => link.behind,
            Place::Alone | Place::Nowhere => None,
        }
    }

    /// Whether nothing stands before `id`; false for what is in no lane.
    pub(crate) fn is_head(&self, id: u32) -> bool {
        match self.places[id as usize] {
            Place::Lane(link) => link.ahead.is_none(),
            Place::Alone => true,
            Place::Nowhere => false,
        }
    }

    /// Takes `id` out, wherever it stands. Returns the lane's new head when `id` was the head and others wait.
    pub(crate) fn remove(&mut self, id: u32) -> Option<u32> {
        let place = mem::replace(&mut self.places[id as usize], Place::Nowhere);
        if matches!(place, Place::Nowhere) {
            return None;
        }
        self.len -= 1;
        let Place::Lane(Link { hash, ahead, behind }) = place else { return None };
        if let Some(link) = ahead.and_then(|ahead| self.link(ahead)) {
            link.behind = behind;
        }
        if let Some(link) = behind.and_then(|behind| self.link(behind)) {
            link.ahead = ahead;
        }
        // An id is in one lane at most, so that the hash and one end identify the lane without the key.
        match (ahead, behind) {
            (None, None) => {
                if let Ok(lane) = self.lanes.find_entry(hash, |lane| lane.head == id) {
                    lane.remove();
                }
            }
            (None, Some(head)) => {
                if let Some(lane) = self.lanes.find_mut(hash, |lane| lane.head == id) {
                    lane.head = head;
                }
                return Some(head);
            }
            (Some(tail), None) => {
                if let Some(lane) = self.lanes.find_mut(hash, |lane| lane.tail == id) {
                    lane.tail = tail;
                }
            }
            (Some(_), Some(_)) => {}
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many ids are here, with those that stand alone.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn link(&mut self, id: u32) -> Option<&mut Link> {
        match &mut self.places[id as usize] {
            Place::Lane(link) => Some(link),
            Place::Alone | Place::Nowhere => None,
        }
    }
}

/// The two ends of a line.
#[derive(Debug)]
struct Lane {
    hash: u64,
    head: u32,
    tail: u32,
}

/// Where an id stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Nowhere,
    Alone,
    Lane(Link),
}

/// One delivery in a line.
#[derive(Debug, Clone, Copy)]
struct Link {
    hash: u64,
    ahead: Option<u32>,
    behind: Option<u32>,
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::{prelude::*, sample::Index};

    use super::*;

    /// An arrival under a key that no other key collides with.
    fn arrive(lanes: &mut Lanes, id: u32, key: u64) -> bool {
        lanes.arrive(id, key, |_| true)
    }

    #[test]
    fn the_first_of_a_key_runs_and_the_others_wait_in_order() {
        let mut lanes = Lanes::with_capacity(4);
        assert!(arrive(&mut lanes, 2, 7));
        assert!(!arrive(&mut lanes, 0, 7));
        assert!(!arrive(&mut lanes, 3, 7));
        assert!(arrive(&mut lanes, 1, 8), "another key has its own lane");
        assert_eq!([7, 8, 9].map(|key| lanes.is_taken(key, |_| true)), [true, true, false]);
        assert!(!lanes.is_taken(7, |_| false), "the hash does not decide");
        assert_eq!([lanes.next(2), lanes.next(0), lanes.next(3)], [Some(0), Some(3), None]);
        assert_eq!([2, 0, 3, 1].map(|id| lanes.is_head(id)), [true, false, false, true]);
        assert_eq!([lanes.remove(2), lanes.remove(0), lanes.remove(3)], [Some(0), Some(3), None]);
        assert_eq!((lanes.len(), lanes.is_empty()), (1, false));
        assert_eq!(lanes.remove(1), None);
        assert_eq!((lanes.len(), lanes.is_empty()), (0, true));
    }

    #[test]
    fn one_who_waits_may_leave_from_any_place() {
        let mut lanes = Lanes::with_capacity(5);
        for id in 0..4 {
            arrive(&mut lanes, id, 7);
        }
        assert_eq!(lanes.remove(1), None, "from the middle");
        assert_eq!(lanes.remove(3), None, "from the end");
        assert!(!arrive(&mut lanes, 4, 7), "the lane goes on behind its new end");
        assert_eq!((lanes.next(0), lanes.next(2)), (Some(2), Some(4)));
        assert_eq!(lanes.remove(0), Some(2), "from the front");
        assert_eq!(lanes.remove(2), Some(4));
        assert_eq!(lanes.remove(4), None);
        assert!(arrive(&mut lanes, 0, 7), "a lane that everybody left is gone");
    }

    #[test]
    fn without_a_key_nobody_waits() {
        let mut lanes = Lanes::with_capacity(3);
        lanes.arrive_alone(0);
        lanes.arrive_alone(1);
        assert!(arrive(&mut lanes, 2, 0));
        assert_eq!([0, 1, 2].map(|id| lanes.is_head(id)), [true; 3]);
        assert_eq!([0, 1, 2].map(|id| lanes.next(id)), [None; 3]);
        assert_eq!(lanes.len(), 3);
        assert_eq!([0, 1, 2].map(|id| lanes.remove(id)), [None; 3]);
        assert!(lanes.is_empty());
    }

    #[test]
    fn who_is_not_here_is_no_head_and_cannot_leave() {
        let mut lanes = Lanes::with_capacity(1);
        assert!(!lanes.is_head(0));
        assert_eq!((lanes.next(0), lanes.remove(0), lanes.len()), (None, None, 0));
    }

    #[test]
    fn an_endless_stream_of_new_keys_through_a_full_window_allocates_nothing() {
        const HELD: u32 = 1_000;
        let mut lanes = Lanes::with_capacity(HELD as usize);
        let before = lanes.lanes.allocation_size();
        for turn in 0..50_u64 {
            for id in 0..HELD {
                lanes.remove(id);
                // The golden ratio spreads consecutive numbers over all bits.
                let hash = (turn * u64::from(HELD) + u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                assert!(lanes.arrive(id, hash, |_| false));
            }
        }
        assert_eq!(lanes.lanes.allocation_size(), before);
        assert_eq!(lanes.lanes.len(), HELD as usize);
    }

    /// By key: whole hashes collide, and the third and fourth key share with the first two all bits that a small
    /// table looks at.
    const HASHES: [u64; 6] = [0, 0, 1 << 32, 1 << 32, u64::MAX, 5];
    const HELD: u32 = 12;

    #[derive(Debug, Clone)]
    enum Step {
        Arrive(usize, Index),
        Alone(Index),
        Remove(Index),
        RemoveHead(Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..HASHES.len(), any::<Index>()).prop_map(|(key, id)| Step::Arrive(key, id)),
            1 => any::<Index>().prop_map(Step::Alone),
            3 => any::<Index>().prop_map(Step::Remove),
            2 => any::<Index>().prop_map(Step::RemoveHead),
        ]
    }

    /// What lanes are, at any price: a queue for each key.
    #[derive(Debug, Default)]
    struct Oracle {
        queues: [VecDeque<u32>; HASHES.len()],
        alone: Vec<u32>,
    }

    impl Oracle {
        fn holds(&self, id: u32) -> bool {
            self.alone.contains(&id) || self.key(id).is_some()
        }

        fn key(&self, id: u32) -> Option<usize> {
            self.queues.iter().position(|queue| queue.contains(&id))
        }

        fn len(&self) -> usize {
            self.alone.len() + self.queues.iter().map(VecDeque::len).sum::<usize>()
        }

        fn remove(&mut self, id: u32) -> Option<u32> {
            self.alone.retain(|&other| other != id);
            let queue = &mut self.queues[self.key(id)?];
            let was_head = queue.front() == Some(&id);
            queue.retain(|&other| other != id);
            queue.front().copied().filter(|_| was_head)
        }

        fn next(&self, id: u32) -> Option<u32> {
            let queue = &self.queues[self.key(id)?];
            queue.iter().copied().skip_while(|&other| other != id).nth(1)
        }

        fn is_head(&self, id: u32) -> bool {
            self.alone.contains(&id) || self.queues.iter().any(|queue| queue.front() == Some(&id))
        }

        /// The `same` for a key. Lanes ask it about heads of the same hash only.
        fn same(&self, key: usize) -> impl Fn(u32) -> bool {
            move |head| {
                assert!(self.is_head(head), "{head} is no head");
                let other = self.key(head);
                assert_eq!(other.map(|key| HASHES[key]), Some(HASHES[key]), "{head} has another hash");
                other == Some(key)
            }
        }

        fn check(&self, lanes: &Lanes) {
            for id in 0..HELD {
                assert_eq!(lanes.is_head(id), self.is_head(id), "is_head({id})");
                assert_eq!(lanes.next(id), self.next(id), "next({id})");
            }
            assert_eq!(lanes.len(), self.len());
            assert_eq!(lanes.is_empty(), self.len() == 0);
            for (key, queue) in self.queues.iter().enumerate() {
                assert_eq!(lanes.is_taken(HASHES[key], self.same(key)), !queue.is_empty(), "is_taken({key})");
            }
            let open = self.queues.iter().filter(|queue| !queue.is_empty()).count();
            assert_eq!(lanes.lanes.len(), open, "a lane exists while somebody is in it");
        }
    }

    fn pick(ids: impl Iterator<Item = u32>, index: Index) -> Option<u32> {
        let ids: Vec<_> = ids.collect();
        (!ids.is_empty()).then(|| *index.get(&ids))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn lanes_are_one_queue_for_each_exact_key(steps in prop::collection::vec(step(), 0..120)) {
            let mut lanes = Lanes::with_capacity(HELD as usize);
            let mut oracle = Oracle::default();
            let before = lanes.lanes.allocation_size();
            for step in steps {
                match step {
                    Step::Arrive(key, index) => {
                        let Some(id) = pick((0..HELD).filter(|&id| !oracle.holds(id)), index) else { continue };
                        let head = lanes.arrive(id, HASHES[key], oracle.same(key));
                        oracle.queues[key].push_back(id);
                        prop_assert_eq!(head, oracle.is_head(id));
                    }
                    Step::Alone(index) => {
                        let Some(id) = pick((0..HELD).filter(|&id| !oracle.holds(id)), index) else { continue };
                        lanes.arrive_alone(id);
                        oracle.alone.push(id);
                    }
                    Step::Remove(index) => {
                        // From any place, and also what is not here.
                        let Some(id) = pick(0..HELD, index) else { continue };
                        prop_assert_eq!(lanes.remove(id), oracle.remove(id));
                    }
                    Step::RemoveHead(index) => {
                        let Some(id) = pick((0..HELD).filter(|&id| oracle.is_head(id)), index) else { continue };
                        prop_assert_eq!(lanes.remove(id), oracle.remove(id));
                    }
                }
                oracle.check(&lanes);
            }
            // Nothing is lost: everybody comes to the front of its lane, in its turn.
            for queue in oracle.queues {
                for (place, &id) in queue.iter().enumerate() {
                    prop_assert!(lanes.is_head(id));
                    prop_assert_eq!(lanes.remove(id), queue.get(place + 1).copied());
                }
            }
            prop_assert_eq!(lanes.len(), oracle.alone.len());
            prop_assert_eq!(lanes.lanes.allocation_size(), before);
        }
    }
}
