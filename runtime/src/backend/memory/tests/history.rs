//! Random histories of publishers and members, compared with a model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::backend::memory::progress::Progress;

#[derive(Debug, Clone)]
enum Step {
    /// Publishes on a topic with one of a few keys, or none.
    Publish {
        topic: usize,
        key: Option<u8>,
        sender: Sender,
    },
    /// Drops one of the publishes that wait.
    Forget(prop::sample::Index),
    Join {
        group: usize,
    },
    Poll {
        member: prop::sample::Index,
        room: Room,
    },
    /// Settles some of what a member was delivered, the current and the stale.
    Settle {
        member: prop::sample::Index,
        pick: u64,
    },
    /// Answers a revocation.
    Release(prop::sample::Index),
    Leave(prop::sample::Index),
    Crash(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let any_member = || any::<prop::sample::Index>();
    let sender = prop_oneof![6 => Just(Sender::Program), 1 => Just(Sender::Handler)];
    let room = (0_usize..6, prop_oneof![Just(0_usize), 1_usize..60, Just(1 << 20)]);
    prop_oneof![
        8 => (0..TOPICS.len(), prop::option::of(0_u8..6), sender)
            .prop_map(|(topic, key, sender)| Step::Publish { topic, key, sender }),
        1 => any_member().prop_map(Step::Forget),
        1 => (0..FILTERS.len()).prop_map(|group| Step::Join { group }),
        10 => (any_member(), room).prop_map(|(member, (count, bytes))| Step::Poll { member, room: Room { count, bytes } }),
        8 => (any_member(), any::<u64>()).prop_map(|(member, pick)| Step::Settle { member, pick }),
        4 => any_member().prop_map(Step::Release),
        1 => any_member().prop_map(Step::Leave),
        1 => any_member().prop_map(Step::Crash),
    ]
}

const TOPICS: [&str; 3] = ["shop.a", "shop.b", "shop.c"];
/// Every topic is received by two groups at least, one of which learns of the topics later.
const FILTERS: [&str; 3] = ["shop.a", "shop.*", "shop.>"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_repeated_after_settling_or_had_by_two(steps in prop::collection::vec(step(), 1..250)) {
        // A runtime for the time-outs of waiting publishes; its clock stands still.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.finish();
    }

    #[test]
    fn progress_is_a_cursor_and_a_set(start in 0_u64..200, order in prop::collection::vec(0_u64..400, 1..400)) {
        let mut progress = Progress::at(start);
        let mut settled: BTreeSet<u64> = (0..start).collect();
        for position in order {
            let before = progress.cursor();
            let moved = progress.settle(position);
            settled.insert(position);
            let cursor = (0..).find(|position| !settled.contains(position)).unwrap();
            prop_assert_eq!(progress.cursor(), cursor);
            prop_assert_eq!(moved, cursor > before);
            prop_assert_eq!(progress.end(), settled.last().map_or(0, |last| last + 1).max(cursor));
        }
        for position in 0..450 {
            prop_assert_eq!(progress.is_settled(position), settled.contains(&position));
        }
    }
}

/// A message's place: topic, partition, position.
type Place = (String, u32, u64);

/// The broker under test, and what must be true of it.
struct World {
    backend: MemoryBackend,
    groups: Vec<Subscription>,
    members: Vec<Member>,
    waiting: Vec<(String, Publishing)>,
    published: usize,
    /// What was confirmed, by place.
    confirmed: BTreeMap<Place, String>,
    /// What may be there although nobody confirmed it: a publish that was dropped while it waited.
    forgotten: BTreeSet<String>,
    /// Per group: what is settled.
    settled: Vec<BTreeSet<Place>>,
    /// Per group and partition in tokens: the highest generation seen.
    generations: BTreeMap<(usize, u32), u32>,
}

struct Member {
    group: usize,
    consumer: Box<dyn Consumer>,
    /// Everything it was ever delivered.
    deliveries: Vec<Delivery>,
    /// Per partition in tokens: the generation it has, and the last position delivered in it.
    has: BTreeMap<u32, (u32, u64)>,
    revoking: Vec<Partitions>,
}

impl World {
    fn new() -> Self {
        let backend = connect(&Memory::new().partitions(3).capacity(12).capacity_bytes(200));
        let groups: Vec<_> =
            FILTERS.iter().enumerate().map(|(n, filter)| subscription(&format!("g{n}"), filter)).collect();
        provision(&backend, &groups.iter().collect::<Vec<_>>());
        Self {
            backend,
            settled: vec![BTreeSet::new(); groups.len()],
            groups,
            members: Vec::new(),
            waiting: Vec::new(),
            published: 0,
            confirmed: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            generations: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish { topic, key, sender } => self.publish(TOPICS[topic], key, sender),
            Step::Forget(_) if self.waiting.is_empty() => {}
            Step::Forget(which) => {
                let (id, publishing) = self.waiting.remove(which.index(self.waiting.len()));
                drop(publishing);
                self.forgotten.insert(id);
            }
            Step::Join { group } => {
                let consumer = join(&self.backend, &self.groups[group]);
                let (deliveries, has, revoking) = (Vec::new(), BTreeMap::new(), Vec::new());
                self.members.push(Member { group, consumer, deliveries, has, revoking });
            }
            _ if self.members.is_empty() => {}
            Step::Poll { member, room } => self.poll(member.index(self.members.len()), room),
            Step::Settle { member, pick } => self.settle(member.index(self.members.len()), pick),
            Step::Release(member) => {
                let member = member.index(self.members.len());
                let member = &mut self.members[member];
                if !member.revoking.is_empty() {
                    let partitions = member.revoking.remove(0);
                    member.has.retain(|partition, _| !partitions.contains(*partition));
                    member.consumer.release(&partitions);
                }
            }
            Step::Leave(member) => {
                let mut member = self.members.remove(member.index(self.members.len()));
                close(member.consumer.as_mut());
            }
            Step::Crash(member) => drop(self.members.remove(member.index(self.members.len()))),
        }
        self.look_at_waiting();
    }

    fn publish(&mut self, topic: &str, key: Option<u8>, sender: Sender) {
        self.published += 1;
        let id = format!("{topic}/{}", self.published);
        let message = message(key.map(|key| key.to_string()).as_deref(), &id);
        self.waiting.push((id, self.backend.publish(sending(topic, message, sender))));
    }

    fn look_at_waiting(&mut self) {
        for (id, mut publishing) in std::mem::take(&mut self.waiting) {
            match Pin::new(&mut publishing).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => self.waiting.push((id, publishing)),
                Poll::Ready(answer) => {
                    let Confirmation { partition, position } = answer.unwrap();
                    let topic = id.split('/').next().unwrap().to_owned();
                    let position = position.unwrap().to_string().parse().unwrap();
                    let place = (topic, partition.unwrap(), position);
                    assert_eq!(self.confirmed.insert(place, id), None, "two messages at one place");
                }
            }
        }
    }

    fn poll(&mut self, index: usize, room: Room) {
        let group = self.members[index].group;
        let (intake, deliveries) = poll(self.members[index].consumer.as_mut(), room, Waker::noop());
        if let Some(Intake::Revoking(partitions)) = intake {
            self.members[index].revoking.push(partitions);
        }
        assert!(deliveries.len() <= room.count && (deliveries.is_empty() || !room.is_empty()));
        let bytes: usize = deliveries.iter().map(|delivery| delivery.message.size()).sum();
        assert!(bytes <= room.bytes || deliveries.len() == 1);
        for delivery in deliveries {
            self.check(index, group, &delivery);
            self.members[index].deliveries.push(delivery);
        }
    }

    fn check(&mut self, index: usize, group: usize, delivery: &Delivery) {
        let Token { partition, generation, position } = delivery.token;
        let place = place(delivery);
        assert!(!self.settled[group].contains(&place), "settled, and delivered again: {place:?}");
        match self.confirmed.get(&place) {
            Some(id) => assert_eq!(id, payload(delivery)),
            None => assert!(
                self.forgotten.contains(payload(delivery))
                    || self.waiting.iter().any(|(id, _)| id == payload(delivery)),
                "nobody published {place:?}"
            ),
        }
        for (other, member) in self.members.iter().enumerate() {
            assert!(
                other == index || member.group != group || !member.has.contains_key(&partition),
                "two members have {partition}"
            );
        }
        let member = &mut self.members[index];
        assert!(!member.revoking.iter().any(|partitions| partitions.contains(partition)), "it is given up");
        let from = match member.has.get(&partition) {
            Some((had, last)) if *had == generation => {
                assert!(position > *last, "positions do not rise");
                last + 1
            }
            _ => {
                let highest = self.generations.insert((group, partition), generation).unwrap_or(0);
                assert!(generation > highest, "the generation does not rise");
                0
            }
        };
        member.has.insert(partition, (generation, position));
        for skipped in from..position {
            let (topic, partition, _) = place.clone();
            let skipped = (topic, partition, skipped);
            assert!(self.settled[group].contains(&skipped), "skipped without being settled: {skipped:?}");
        }
    }

    fn settle(&mut self, index: usize, pick: u64) {
        let member = &mut self.members[index];
        let mut tokens = Vec::new();
        for (n, delivery) in member.deliveries.iter().enumerate() {
            if pick.rotate_left(n as u32 * 7) & 3 != 0 {
                continue;
            }
            tokens.push(delivery.token);
            let Token { partition, generation, .. } = delivery.token;
            if member.has.get(&partition).is_some_and(|(has, _)| *has == generation) {
                self.settled[member.group].insert(place(delivery));
            }
        }
        member.consumer.settle(&tokens, &[]);
    }

    /// One member per group must get everything that is not settled, so that all waiting publishes come through.
    fn finish(mut self) {
        self.members.clear();
        for group in 0..self.groups.len() {
            self.take(Step::Join { group });
        }
        loop {
            let before = self.settled.clone();
            for member in 0..self.members.len() {
                self.poll(member, ROOM);
                self.settle(member, 0);
            }
            self.look_at_waiting();
            if before == self.settled {
                break;
            }
        }
        assert!(self.waiting.is_empty(), "some wait although everything is settled");
        assert_eq!(self.confirmed.len() + self.forgotten.len(), self.published);
        for (settled, subscription) in self.settled.iter().zip(&self.groups) {
            for place in
                self.confirmed.keys().filter(|(topic, ..)| crate::topic::matches(&subscription.filter, topic))
            {
                assert!(settled.contains(place), "lost: {place:?}");
            }
            now(self.backend.caught_up(subscription)).unwrap();
        }
    }
}

fn place(delivery: &Delivery) -> Place {
    (delivery.topic.to_string(), delivery.partition.unwrap(), delivery.token.position)
}
