//! Order: of one key nothing starts before everything earlier is settled; one key delays no other.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use typebus::{prelude::*, testing::Foreign};
use typebus_tests::{
    Cancelled, Does, Ends, Gate, Job, Journal, Paid, Placed, Seen, broker, caught_up, ends, letters,
    patiently, start,
};

#[handler(concurrency = 32, retry(attempts = 3, backoff = "10ms..40ms"), timeout = "100ms")]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

/// The other event of the jobs' topic, with a handler of its own.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "work.jobs", name = "chore", key = 0.key)]
struct Chore(Job);

#[handler(concurrency = 32, retry(attempts = 3, backoff = "10ms..40ms"), timeout = "100ms")]
async fn help(Chore(job): Chore, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work, help], publishes: [Job, Chore], state: [Journal] } }

/// What an attempt does, as often as not nothing special.
fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        4 => Just(Does::Well),
        2 => (1..90_u64).prop_map(Does::Take),
        2 => Just(Does::Fail),
        1 => (0..50_u64).prop_map(Does::FailFor),
        1 => Just(Does::Bury),
        1 => Just(Does::Drop),
        1 => Just(Does::Panic),
        1 => Just(Does::Hang),
    ]
}

/// A key, which of the two handlers, and what the attempts do.
fn plan() -> impl Strategy<Value = Vec<(u8, bool, Vec<Does>)>> {
    vec((0..6_u8, any::<bool>(), vec(does(), 1..4)), 1..80)
}

/// How the job ends, by what its attempts do.
fn outcome(does: &[Does]) -> Ends {
    let one = |ends: fn(&mut Ends) -> &mut u64| {
        let mut sum = Ends::NONE;
        *ends(&mut sum) += 1;
        sum
    };
    for attempt in does.iter().chain([&Does::Well]).take(3) {
        match attempt {
            Does::Well | Does::Take(_) => return one(|ends| &mut ends.handled),
            Does::Bury => return one(|ends| &mut ends.dead_lettered),
            Does::Drop => return one(|ends| &mut ends.discarded),
            Does::Fail | Does::FailFor(_) | Does::FailIn(_) | Does::Panic | Does::Hang => {}
        }
    }
    one(|ends| &mut ends.dead_lettered)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// 32 at once, four partitions, keys in several of them, two handlers, and whatever can go wrong: each key's jobs
    /// run one by one in their order, and each ends in exactly the way that it says.
    #[test]
    fn keys_are_kept_in_order_by_both_handlers_whatever_the_attempts_do(plan in plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let journal = Journal::default();
            let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
            let (first, second) = plan.split_at(plan.len() / 2);
            let publish = async |part: &[(u8, bool, Vec<Does>)], from: u32| {
                for (number, (key, chore, does)) in (from..).zip(part) {
                    let job = Job::of(&format!("key-{key}"), number).does(does.clone());
                    match chore {
                        true => bus.publish(&Chore(job)).await.unwrap(),
                        false => bus.publish(&job).await.unwrap(),
                    };
                }
            };
            publish(first, 0).await;
            let running = bus.start().await.unwrap();
            publish(second, u32::try_from(first.len()).unwrap()).await;
            caught_up(&running).await;

            let done = journal.assert_key_order();
            let mut expected: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for (number, (key, ..)) in (0..).zip(&plan) {
                expected.entry(format!("key-{key}")).or_default().push(number);
            }
            assert_eq!(done, expected);
            let sum = plan.iter().map(|(.., does)| outcome(does)).fold(Ends::NONE, |a, b| Ends {
                handled: a.handled + b.handled,
                discarded: a.discarded + b.discarded,
                skipped: 0,
                dead_lettered: a.dead_lettered + b.dead_lettered,
            });
            assert_eq!(ends(&running), sum);
            assert_eq!(letters(&bus, "workshop").await.len() as u64, sum.dead_lettered);
            patiently(running.stop()).await.unwrap();
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_lets_the_key_go_on() {
    let journal = Journal::default();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("k", 1).does([Does::Bury])).await.unwrap();
    bus.publish(&Job::of("k", 2).does([Does::Fail; 3])).await.unwrap();
    bus.publish(&Job::of("k", 3)).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(journal.beginnings(), [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1)]);
    journal.assert_key_order();
    assert_eq!(ends(&running), Ends { handled: 1, dead_lettered: 2, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn without_a_key_there_is_no_order_and_as_many_run_as_may() {
    let journal = Journal::default();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    for number in 0..40 {
        bus.publish(&Job { number, key: None, does: vec![Does::Take(50)] }).await.unwrap();
    }
    start(&bus).await;
    assert_eq!(journal.most_at_once(), 32);
    assert_eq!(journal.beginnings().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_equal_only_in_part_are_not_one_lane() {
    let journal = Journal::default();
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect("memory:").await.unwrap();
    // More keys than any hash would have buckets for: all that may run do.
    for number in 0..32 {
        bus.publish(&Job::of(&format!("{number}"), number).does([Does::Take(50)])).await.unwrap();
    }
    start(&bus).await;
    assert_eq!(journal.most_at_once(), 32);
}

#[derive(Clone, Default)]
struct Lanes {
    gate: Gate,
    seen: Seen<String>,
}

impl Lanes {
    async fn pass(&self, what: String) {
        self.seen.push(what);
        self.gate.pass().await;
    }
}

#[handler(order = partition)]
async fn by_partition(order: Placed, lanes: State<Lanes>) {
    lanes.pass(format!("{} {}", order.customer, order.number)).await;
}

#[handler(order = none, group = "any")]
async fn in_any_order(order: Cancelled, lanes: State<Lanes>) {
    lanes.pass(format!("{} {}", order.customer, order.number)).await;
}

service! { Sorter = "sorter" { handles: [by_partition], publishes: [Placed], state: [Lanes] } }
service! { Mixer = "mixer" { handles: [in_any_order], publishes: [Cancelled], state: [Lanes] } }

#[tokio::test(start_paused = true)]
async fn in_the_order_of_partitions_one_runs_of_each_whatever_the_keys() {
    let lanes = Lanes::default();
    let bus = Bus::<Sorter>::builder().state(lanes.clone()).connect("memory:?partitions=3").await.unwrap();
    let mut partitions: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for number in 0..30 {
        let customer = format!("customer-{number}");
        let receipt = bus.publish(&Placed { number, customer: customer.clone() }).await.unwrap();
        partitions.entry(receipt.partition()).or_default().push(format!("{customer} {number}"));
    }
    assert_eq!(partitions.len(), 3, "the keys are in fewer partitions than there are");
    let running = bus.start().await.unwrap();
    lanes.gate.crowd(3).await;
    let mut firsts: Vec<_> = partitions.values().map(|all| all[0].clone()).collect();
    firsts.sort();
    assert_eq!(lanes.seen.sorted(), firsts);
    lanes.gate.open();
    caught_up(&running).await;
    let seen = lanes.seen.all();
    for expected in partitions.values() {
        let of_partition: Vec<_> = seen.iter().filter(|what| expected.contains(what)).cloned().collect();
        assert_eq!(&of_partition, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn without_order_one_key_runs_as_often_at_once_as_may_be() {
    let lanes = Lanes::default();
    let bus = Bus::<Mixer>::builder().state(lanes.clone()).connect("memory:").await.unwrap();
    for number in 0..20 {
        bus.publish(&Cancelled { number, customer: "one".into() }).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    lanes.gate.crowd(16).await;
    lanes.gate.open();
    caught_up(&running).await;
    assert_eq!(lanes.seen.count(), 20);
}

#[handler(topic = "shop.*")]
async fn watch(event: AnyEvent, lanes: State<Lanes>) {
    let key = event.metadata().key().unwrap_or("none").to_owned();
    lanes.pass(format!("{} {key}", event.metadata().topic())).await;
}

service! { Watcher = "watcher" { handles: [watch], publishes: [Placed, Paid], state: [Lanes] } }

#[tokio::test(start_paused = true)]
async fn the_lanes_of_a_pattern_exclude_a_key_over_all_its_topics() {
    let lanes = Lanes::default();
    let bus = Bus::<Watcher>::builder().state(lanes.clone()).connect("memory:").await.unwrap();
    for number in 0..4 {
        bus.publish(&Placed { number, customer: "ann".into() }).await.unwrap();
        bus.publish(&Paid { number, customer: Some("ann".into()) }).await.unwrap();
        bus.publish(&Paid { number, customer: Some("bob".into()) }).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    lanes.gate.crowd(2).await;
    let seen = lanes.seen.sorted();
    assert!(seen[0].ends_with("ann") && seen[1].ends_with("bob"), "{seen:?}");
    lanes.gate.open();
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 12, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn a_foreign_empty_key_is_a_lane_of_its_own_and_a_key_of_any_bytes_too() {
    let (url, lanes) = (broker(), Lanes::default());
    let bus = Bus::<Watcher>::builder().state(lanes.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for key in [b"".as_slice(), b"\xff\xfe", &[b'k'; 2_000]] {
        for _ in 0..2 {
            foreign.message("shop.x").header("ce_type", "x.v1").key(key).send().await.unwrap();
        }
    }
    for _ in 0..2 {
        foreign.message("shop.x").header("ce_type", "x.v1").send().await.unwrap();
    }
    let running = bus.start().await.unwrap();
    // One of each key, and both without.
    lanes.gate.crowd(5).await;
    let long = format!("shop.x {}", "k".repeat(2_000));
    let expected = ["shop.x ", long.as_str(), "shop.x none", "shop.x none", "shop.x none"];
    assert_eq!(lanes.seen.sorted(), expected);
    lanes.gate.open();
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { handled: 8, ..Ends::NONE });
}

#[handler(concurrency = 2)]
async fn spread(fact: Both, lanes: State<Lanes>) {
    lanes
        .pass(match fact {
            Both::Placed(order) => format!("placed {}", order.number),
            Both::Paid(paid) => format!("paid {}", paid.number),
        })
        .await;
}

#[derive(EventSet)]
enum Both {
    Placed(Placed),
    Paid(Paid),
}

service! { Spreader = "spreader" { handles: [spread], publishes: [Placed, Paid], state: [Lanes] } }

#[tokio::test(start_paused = true)]
async fn a_handlers_concurrency_counts_over_all_its_subscriptions() {
    let lanes = Lanes::default();
    let bus = Bus::<Spreader>::builder().state(lanes.clone()).connect("memory:").await.unwrap();
    for number in 0..10 {
        bus.publish(&Placed { number, customer: number.to_string() }).await.unwrap();
        bus.publish(&Paid { number, customer: None }).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    lanes.gate.crowd(2).await;
    // What could run now would have been let in by the time that ten milliseconds are over.
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    assert_eq!(lanes.gate.waiting(), 2);
    lanes.gate.open();
    caught_up(&running).await;
    assert_eq!(lanes.seen.count(), 20);
}
