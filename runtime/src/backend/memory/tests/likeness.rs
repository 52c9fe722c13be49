//! Random histories with every profile: members that come, go, die and lose what they have.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::backend::memory::{
    Profile,
    profile::{Durability, Nature},
};

#[derive(Debug, Clone)]
enum Step {
    Publish(Option<u8>),
    Join,
    Poll(prop::sample::Index, usize),
    /// Settles some of what a member has.
    Settle(prop::sample::Index, u64),
    /// Answers a revocation.
    Release(prop::sample::Index),
    Leave(prop::sample::Index),
    Kill(prop::sample::Index),
    Lose(prop::sample::Index),
    /// Some milliseconds, in which everybody is alive.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let member = || any::<prop::sample::Index>();
    prop_oneof![
        8 => prop::option::weighted(0.8, 0_u8..5).prop_map(Step::Publish),
        2 => Just(Step::Join),
        10 => (member(), 0_usize..8).prop_map(|(member, count)| Step::Poll(member, count)),
        8 => (member(), any::<u64>()).prop_map(|(member, pick)| Step::Settle(member, pick)),
        3 => member().prop_map(Step::Release),
        1 => member().prop_map(Step::Leave),
        1 => member().prop_map(Step::Kill),
        1 => member().prop_map(Step::Lose),
        1 => (0_u64..400).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_profile_loses_nothing_keeps_its_order_and_repeats_what_it_may(
        profile in prop::option::weighted(0.9, prop::sample::select(Profile::ALL.to_vec())),
        order in prop::sample::select(vec![Order::Key, Order::Partition, Order::None]),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(profile, order);
            for step in steps {
                world.take(step).await;
            }
            world.finish();
        });
    }
}

struct World {
    memory: Memory,
    /// Keeps the broker.
    publisher: MemoryBackend,
    orders: Subscription,
    members: Vec<Member>,
    published: usize,
    settled: BTreeSet<usize>,
}

struct Member {
    connection: MemoryBackend,
    consumer: Box<dyn Consumer>,
    /// What it has and did not settle.
    has: Vec<Delivery>,
    /// Per partition in tokens: generation and position of the last delivery.
    last: BTreeMap<u32, (u32, u64)>,
    /// Per partition, generation and key: the number of the last message.
    order: BTreeMap<(u32, u32, Option<Vec<u8>>), usize>,
    revoking: Vec<Partitions>,
    lost: bool,
}

impl World {
    fn new(profile: Option<Profile>, order: Order) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("likeness-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let memory = profile.into_iter().fold(Memory::named(name), Memory::profile);
        let publisher = connect(&memory);
        let orders = Subscription { order, ..subscription("g", "shop") };
        provision(&publisher, &[&orders]);
        Self { memory, publisher, orders, members: Vec::new(), published: 0, settled: BTreeSet::new() }
    }

    fn nature(&self) -> &'static Nature {
        Nature::of(self.memory.profile)
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Publish(key) => {
                let key = key.map(|key| key.to_string());
                now(send(&self.publisher, "shop", key.as_deref(), &self.published.to_string())).unwrap();
                self.published += 1;
            }
            Step::Join => self.join(),
            _ if self.members.is_empty() => {}
            Step::Poll(member, count) => {
                self.poll(member.index(self.members.len()), Room { count, bytes: 1 << 20 });
            }
            Step::Settle(member, pick) => self.settle(member.index(self.members.len()), pick),
            Step::Release(member) => {
                let member = member.index(self.members.len());
                let member = &mut self.members[member];
                if let Some(partitions) = member.revoking.pop() {
                    member.has.retain(|delivery| !partitions.contains(delivery.token.partition));
                    member.consumer.release(&partitions);
                }
            }
            Step::Leave(member) => {
                let mut member = self.members.remove(member.index(self.members.len()));
                close(member.consumer.as_mut());
            }
            Step::Kill(member) => self.members.remove(member.index(self.members.len())).connection.kill(),
            Step::Lose(member) => {
                let member = member.index(self.members.len());
                let member = &mut self.members[member];
                member.connection.faults().lose();
                member.lost = true;
                member.has.clear();
                member.revoking.clear();
            }
            Step::Wait(millis) => {
                tokio::time::advance(Duration::from_millis(millis)).await;
                (0..self.members.len()).for_each(|member| self.poll(member, Room::NONE));
            }
        }
    }

    fn join(&mut self) {
        let connection = connect(&self.memory);
        self.members.push(Member {
            consumer: join(&connection, &self.orders),
            connection,
            has: Vec::new(),
            last: BTreeMap::new(),
            order: BTreeMap::new(),
            revoking: Vec::new(),
            lost: false,
        });
    }

    fn poll(&mut self, index: usize, room: Room) {
        let (intake, deliveries) = poll(self.members[index].consumer.as_mut(), room, Waker::noop());
        let lost = std::mem::take(&mut self.members[index].lost);
        match intake {
            Some(Intake::Lost(_)) => assert!(lost, "it lost nothing"),
            _ if lost => panic!("it was not told what it lost, but {intake:?}"),
            Some(Intake::Revoking(partitions)) => self.members[index].revoking.push(partitions),
            Some(Intake::Deliveries) | None => {}
            Some(Intake::End) => panic!("it never ends"),
        }
        assert!(deliveries.len() <= room.count);
        for delivery in deliveries {
            self.check(index, &delivery);
            self.members[index].has.push(delivery);
        }
    }

    fn check(&mut self, index: usize, delivery: &Delivery) {
        let number: usize = payload(delivery).parse().unwrap();
        if self.nature().durability == Durability::Prompt {
            assert!(!self.settled.contains(&number), "{number} is settled, and was delivered again");
        }
        let Token { partition, generation, position } = delivery.token;
        let key = delivery.message.key();
        for (_, other) in self.members.iter().enumerate().filter(|(other, _)| *other != index) {
            let has = |has: &Delivery| match self.orders.order {
                Order::Key => key.is_some() && has.message.key() == key,
                Order::Partition => has.partition == delivery.partition,
                Order::None => payload(has) == payload(delivery),
            };
            assert!(!other.has.iter().any(has), "two have {number}, or something of its key");
        }
        let member = &mut self.members[index];
        assert!(!member.revoking.iter().any(|partitions| partitions.contains(partition)), "it is given up");
        let before = member.last.insert(partition, (generation, position));
        assert!(before.is_none_or(|before| before < (generation, position)), "positions do not rise");
        if key.is_some() && self.orders.order == Order::Key {
            let lane = (partition, generation, key.map(<[u8]>::to_vec));
            let before = member.order.insert(lane, number);
            assert!(before.is_none_or(|before| before < number), "{number} came after {before:?}");
        }
    }

    fn settle(&mut self, index: usize, pick: u64) {
        let member = &mut self.members[index];
        let mut n = 0;
        let picked = member.has.extract_if(.., |_| {
            n += 7;
            pick.rotate_left(n) & 3 == 0
        });
        let picked: Vec<Delivery> = picked.collect();
        self.settled.extend(picked.iter().map(|delivery| payload(delivery).parse::<usize>().unwrap()));
        settle(member.consumer.as_mut(), &picked);
    }

    /// One member gets everything that is not settled for good.
    fn finish(mut self) {
        self.members.clear();
        self.join();
        loop {
            self.poll(0, ROOM);
            if self.members[0].has.is_empty() {
                break;
            }
            self.settle(0, 0);
        }
        assert_eq!(self.settled.len(), self.published, "some were lost");
        now(self.publisher.caught_up(&self.orders)).unwrap();
    }
}
