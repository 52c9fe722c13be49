//! Batches: how they are filled, what order means for them, and what a failing one does.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tokio::time::Instant;
use typebus::{PublishedBy, Reason, Service, StateOf, prelude::*, testing::Foreign};
use typebus_tests::{
    Cancelled, Does, Ends, Gate, Job, Journal, Paid, Placed, Seen, Shipped, broker, caught_up, counts, ends,
    letters, start,
};

fn placed(number: u64, customer: &str) -> Placed {
    Placed { number, customer: customer.to_owned() }
}

#[derive(Clone, Default)]
struct Batches {
    seen: Seen<(Vec<u64>, Instant)>,
    gate: Gate,
}

impl Batches {
    fn numbers(&self) -> Vec<Vec<u64>> {
        self.seen.all().into_iter().map(|(numbers, _)| numbers).collect()
    }

    fn note(&self, orders: &Batch<Placed>) -> Vec<u64> {
        let numbers: Vec<u64> = orders.iter().map(|order| order.number).collect();
        assert_eq!((orders.len(), orders.is_empty()), (numbers.len(), false));
        self.seen.push((numbers.clone(), Instant::now()));
        numbers
    }
}

#[handler(batch(max = 10, wait = "50ms"))]
async fn index(orders: Batch<Placed>, batches: State<Batches>) {
    batches.note(&orders);
}

service! { Index = "index" { handles: [index], publishes: [Placed], state: [Batches] } }

#[tokio::test(start_paused = true)]
async fn a_batch_starts_when_it_is_full_or_its_first_has_waited_long_enough() {
    let batches = Batches::default();
    let bus = Bus::<Index>::builder().state(batches.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    let began = Instant::now();
    for number in 0..25 {
        bus.publish(&placed(number, &number.to_string())).await.unwrap();
    }
    batches.seen.reached(2).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "full batches do not wait");
    tokio::time::sleep(Duration::from_millis(30)).await;
    bus.publish(&placed(25, "late")).await.unwrap();
    caught_up(&running).await;
    let seen = batches.seen.all();
    assert_eq!(seen.iter().map(|(numbers, _)| numbers.len()).collect::<Vec<_>>(), [10, 10, 6]);
    let waited = seen[2].1 - began;
    assert!((50..=52).contains(&waited.as_millis()), "the last waited {waited:?}");
    let mut all: Vec<u64> = batches.numbers().concat();
    all.sort_unstable();
    assert_eq!(all, (0..26).collect::<Vec<_>>());
    assert_eq!(ends(&running), Ends { handled: 26, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn a_single_event_is_a_batch_of_one_after_the_wait() {
    let batches = Batches::default();
    let bus = Bus::<Index>::builder().state(batches.clone()).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..3 {
        let began = Instant::now();
        bus.publish(&placed(number, "c")).await.unwrap();
        caught_up(&running).await;
        let (numbers, at) = batches.seen.all().pop().unwrap();
        assert_eq!(numbers, [number]);
        assert!((50..=52).contains(&(at - began).as_millis()), "{:?}", at - began);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_a_keys_events_in_their_order() {
    let batches = Batches::default();
    let bus = Bus::<Index>::builder().state(batches.clone()).connect("memory:").await.unwrap();
    for number in 0..35 {
        bus.publish(&placed(number, "one")).await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(batches.numbers().concat(), (0..35).collect::<Vec<_>>());
    assert_eq!(batches.numbers().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 5]);
    assert_eq!(ends(&running), Ends { handled: 35, ..Ends::NONE });
    // And again, now that the lane was emptied.
    for number in 35..40 {
        bus.publish(&placed(number, "one")).await.unwrap();
    }
    caught_up(&running).await;
    assert_eq!(batches.numbers().concat(), (0..40).collect::<Vec<_>>());
}

#[handler(batch(max = 4, wait = "5ms"))]
async fn held(orders: Batch<Placed>, batches: State<Batches>) {
    batches.note(&orders);
    batches.gate.pass().await;
}

service! { Holder = "holder" { handles: [held], publishes: [Placed], state: [Batches] } }

#[tokio::test(start_paused = true)]
async fn while_a_key_is_in_a_batch_it_is_in_no_other() {
    let batches = Batches::default();
    let bus = Bus::<Holder>::builder().state(batches.clone()).connect("memory:").await.unwrap();
    for number in 0..10 {
        bus.publish(&placed(number, "ann")).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    batches.gate.crowd(1).await;
    for number in 10..13 {
        bus.publish(&placed(number, ["bob", "cid", "dan"][usize::try_from(number).unwrap() - 10]))
            .await
            .unwrap();
    }
    // The others' events make batches of their own, and ann's wait for hers.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let seen = batches.numbers();
    assert_eq!(seen[0], [0, 1, 2, 3]);
    let mut others = seen[1..].concat();
    others.sort_unstable();
    assert_eq!(others, [10, 11, 12]);
    batches.gate.open();
    caught_up(&running).await;
    let anns: Vec<u64> = batches.numbers().concat().into_iter().filter(|number| *number < 10).collect();
    assert_eq!(anns, (0..10).collect::<Vec<_>>());
    assert_eq!(ends(&running), Ends { handled: 13, ..Ends::NONE });
}

#[handler(batch(max = 3, wait = "5ms"), concurrency = 1)]
async fn slow(orders: Batch<Placed>, batches: State<Batches>) {
    batches.note(&orders);
    tokio::time::sleep(Duration::from_secs(1)).await;
}

service! { Slow = "slow" { handles: [slow], publishes: [Placed], state: [Batches] } }

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_due_waits_for_a_slot_without_spinning() {
    let batches = Batches::default();
    let bus = Bus::<Slow>::builder().state(batches.clone()).connect("memory:").await.unwrap();
    let began = Instant::now();
    for number in 0..5 {
        bus.publish(&placed(number, &number.to_string())).await.unwrap();
    }
    // A worker that spins keeps the paused clock from moving on, so that this would never return.
    start(&bus).await;
    assert_eq!(batches.numbers().iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(began.elapsed().as_secs(), 2);
}

/// Runs each member as it says; the batch fails with the first that fails.
#[handler(
    batch(max = 8, wait = "5ms"),
    retry(attempts = 3, backoff = "100ms..100ms", jitter = false),
    timeout = "5s"
)]
async fn work(
    jobs: Batch<Job>,
    attempt: Attempt,
    journal: State<Journal>,
    sizes: State<Sizes>,
) -> Result<(), Failure> {
    sizes.0.push((jobs.len(), attempt.number()));
    for job in &jobs {
        journal.run(job, attempt.number()).await?;
    }
    Ok(())
}

#[derive(Clone, Default)]
struct Sizes(Seen<(usize, u32)>);

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal, Sizes] } }

#[tokio::test(start_paused = true)]
async fn a_failing_batch_is_run_again_item_by_item_and_poison_goes_alone() {
    for poison in [Does::Fail, Does::FailFor(10), Does::Bury, Does::Panic, Does::Hang] {
        let (journal, sizes) = (Journal::default(), Sizes::default());
        let state = (journal.clone(), sizes.clone());
        let bus = Bus::<Workshop>::builder().state(state).connect("memory:").await.unwrap();
        for number in 0..8 {
            let does = if number == 3 { vec![poison; 3] } else { Vec::new() };
            bus.publish(&Job::of(&(number % 3).to_string(), number).does(does)).await.unwrap();
        }
        let running = start(&bus).await;
        assert_eq!(ends(&running), Ends { handled: 7, dead_lettered: 1, ..Ends::NONE }, "{poison:?}");
        let letters = letters(&bus, "workshop").await;
        assert_eq!(letters.len(), 1);
        assert!(letters[0].payload().starts_with(br#"{"number":3,"#), "{poison:?}");
        let (reason, attempts) = match poison {
            Does::Panic => (Reason::Panicked, 3),
            Does::Hang => (Reason::TimedOut, 3),
            Does::Bury => (Reason::Failed, 2),
            _ => (Reason::Failed, 3),
        };
        assert_eq!((letters[0].reason(), letters[0].attempts()), (reason, attempts), "{poison:?}");
        let sizes = sizes.0.all();
        assert_eq!(sizes[0], (8, 1), "{poison:?}");
        // Seven innocents once more, and the poison until it is given up.
        let alone = 7 + usize::try_from(attempts).unwrap() - 1;
        assert_eq!(sizes.len(), 1 + alone, "{poison:?}: {sizes:?}");
        assert!(sizes[1..].iter().all(|(size, _)| *size == 1), "{poison:?}: {sizes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_that_fails_is_run_again_alone_and_without_waiting_for_others() {
    let (journal, batches) = (Journal::default(), Seen::<usize>::default());
    let state = (journal.clone(), Lengths(batches.clone()));
    let bus = Bus::<Lonely>::builder().state(state).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Fail, Does::FailFor(700)])).await.unwrap();
    journal.begun(1).await;
    bus.publish(&Job::of("b", 2)).await.unwrap();
    caught_up(&running).await;
    let delays: Vec<_> = journal.delays(1).iter().map(Duration::as_millis).collect();
    assert!((300..=301).contains(&delays[0]) && (700..=701).contains(&delays[1]), "{delays:?}");
    assert_eq!(batches.all(), [1, 1, 1, 1]);
}

#[derive(Clone, Default)]
struct Lengths(Seen<usize>);

#[handler(batch(max = 8, wait = "250ms"), retry(backoff = "300ms..300ms", jitter = false))]
async fn lonely(
    jobs: Batch<Job>,
    attempt: Attempt,
    journal: State<Journal>,
    lengths: State<Lengths>,
) -> Result<(), Failure> {
    lengths.0.push(jobs.len());
    for job in &jobs {
        journal.run(job, attempt.number()).await?;
    }
    Ok(())
}

service! { Lonely = "lonely" { handles: [lonely], publishes: [Job], state: [Journal, Lengths] } }

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        6 => Just(Does::Well),
        2 => (1..50_u64).prop_map(Does::Take),
        1 => Just(Does::Fail),
        1 => (0..50_u64).prop_map(Does::FailFor),
        1 => Just(Does::Bury),
        1 => Just(Does::Drop),
        1 => Just(Does::Panic),
        1 => Just(Does::Hang),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in them: each job ends once, as its own attempts say, and keys keep their order.
    #[test]
    fn batches_keep_the_order_and_lose_nothing(plan in vec((0..6_u8, vec(does(), 0..4), any::<bool>()), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let (journal, sizes) = (Journal::default(), Sizes::default());
            let state = (journal.clone(), sizes.clone());
            let bus = Bus::<Workshop>::builder().state(state).connect("memory:").await.unwrap();
            let running = bus.start().await.unwrap();
            let mut expected = std::collections::BTreeMap::<String, Vec<u32>>::new();
            for (number, (key, does, pause)) in (0..).zip(&plan) {
                let key = format!("key-{key}");
                bus.publish(&Job::of(&key, number).does(does.clone())).await.unwrap();
                expected.entry(key).or_default().push(number);
                if *pause {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            }
            caught_up(&running).await;
            assert_eq!(journal.assert_key_order_of_batches(), expected);
            assert_eq!(counts(&running).settled(), plan.len() as u64);
            assert!(sizes.0.all().iter().all(|(size, attempt)| *size <= 8 && (*size == 1 || *attempt == 1)));
            for letter in letters(&bus, "workshop").await {
                let job: Job = serde_json::from_slice(letter.payload()).unwrap();
                let fails = |does: &Does| !matches!(does, Does::Well | Does::Take(_) | Does::Drop);
                assert!(job.does.iter().any(fails), "{job:?} was taken along by another");
            }
            let innocent = plan.iter().filter(|(_, does, _)| {
                does.iter().all(|does| matches!(does, Does::Well | Does::Take(_)))
            });
            assert!(counts(&running).handled >= innocent.count() as u64);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_says_discard_discards_only_what_says_so_alone() {
    let (journal, sizes) = (Journal::default(), Sizes::default());
    let bus = Bus::<Workshop>::builder().state((journal, sizes)).connect("memory:").await.unwrap();
    for number in 0..4 {
        let does = if number == 1 { vec![Does::Drop; 3] } else { Vec::new() };
        bus.publish(&Job::of("k", number).does(does)).await.unwrap();
    }
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 3, discarded: 1, ..Ends::NONE });
}

#[tokio::test(start_paused = true)]
async fn the_run_item_by_item_is_one_by_one_for_each_key_and_before_what_comes_later() {
    let (journal, sizes) = (Journal::default(), Sizes::default());
    let state = (journal.clone(), sizes.clone());
    let bus = Bus::<Workshop>::builder().state(state).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..4 {
        let does = [if number == 3 { Does::Fail } else { Does::Well }, Does::Take(500)];
        bus.publish(&Job::of("k", number).does(does)).await.unwrap();
    }
    journal.begun(4).await;
    for number in 4..6 {
        bus.publish(&Job::of("k", number)).await.unwrap();
    }
    caught_up(&running).await;
    let beginnings = journal.beginnings();
    let expected = [(0, 1), (1, 1), (2, 1), (3, 1), (0, 2), (1, 2), (2, 2), (3, 2), (4, 1), (5, 1)];
    assert_eq!(beginnings, expected);
    assert_eq!(journal.most_at_once(), 1);
    assert_eq!(sizes.0.all().last(), Some(&(2, 1)), "what came later is a batch again");
    let moments: Vec<_> = (0..4).map(|number| journal.moments(number)[1]).collect();
    assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(500)));
    assert_eq!(counts(&running).retried, 4);
}

#[tokio::test(start_paused = true)]
async fn members_that_do_not_decode_are_dead_lettered_one_by_one() {
    let (url, batches) = (broker(), Batches::default());
    let bus = Bus::<Index>::builder().state(batches.clone()).connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    for number in 0..6 {
        if number % 2 == 0 {
            let bad = foreign.message("shop.orders").key("one").header("ce_id", number.to_string());
            bad.payload(format!("{number} is no order")).send().await.unwrap();
        } else {
            bus.publish(&placed(number, "one")).await.unwrap();
        }
    }
    let running = start(&bus).await;
    assert_eq!(batches.numbers(), [[1, 3, 5]]);
    assert_eq!(ends(&running), Ends { handled: 3, dead_lettered: 3, ..Ends::NONE });
    let letters = letters(&bus, "index").await;
    let ids: Vec<_> = letters.iter().map(|letter| letter.metadata().id()).collect();
    assert_eq!(ids, ["0", "2", "4"]);
    for letter in &letters {
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0));
        assert!(letter.error().contains("Placed"), "{}", letter.error());
    }
    // A batch of nothing else, and the key goes on.
    foreign.message("shop.orders").key("one").payload("no").send().await.unwrap();
    caught_up(&running).await;
    bus.publish(&placed(7, "one")).await.unwrap();
    caught_up(&running).await;
    assert_eq!(batches.numbers().concat(), [1, 3, 5, 7]);
    assert_eq!(ends(&running), Ends { handled: 4, dead_lettered: 4, ..Ends::NONE });
}

#[handler(batch(max = 10, wait = "5ms"))]
async fn sum(orders: Batch<Placed>) -> Shipped {
    Shipped { number: orders.into_iter().map(|order| order.number).sum() }
}

#[handler]
async fn see(sent: Envelope<Shipped>, sums: State<Sums>) {
    let causation = sent.metadata.causation_id().map(ToOwned::to_owned);
    sums.0.push((sent.event.number, causation, sent.metadata.id().to_owned()));
}

#[derive(Clone, Default)]
struct Sums(Seen<(u64, Option<String>, String)>);

service! { Summer = "summer" { handles: [sum, see], publishes: [Placed], state: [Sums] } }

#[tokio::test(start_paused = true)]
async fn what_a_batch_returns_is_published_once_and_caused_by_its_first() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let sums = Sums::default();
        let bus = Bus::<Summer>::builder().state(sums.clone()).connect("memory:").await.unwrap();
        for number in 1..5 {
            bus.publish(&placed(number, "one")).id(format!("order-{number}")).await.unwrap();
        }
        let running = start(&bus).await;
        caught_up(&running).await;
        let seen = sums.0.all();
        assert_eq!((seen.len(), seen[0].0, seen[0].1.as_deref()), (1, 10, Some("order-1")));
        ids.push(seen[0].2.clone());
    }
    assert_eq!(ids[0], ids[1]);
}

/// The same after a while, and midway.
#[handler(batch(max = 10, wait = "5ms"))]
async fn sum_later(orders: Batch<Placed>, metadata: Metadata, midway: Publisher<Shipped>) -> Shipped {
    let number = orders.iter().map(|order| order.number).sum();
    midway.publish(&Shipped { number: 1_000 }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(metadata.id(), "order-1");
    Shipped { number }
}

service! { Later = "later" { handles: [sum_later, see], publishes: [Placed], state: [Sums] } }

#[tokio::test(start_paused = true)]
async fn what_does_not_decode_is_not_the_first_of_its_batch() {
    async fn sums<S: Service + StateOf<Sums>>() -> Vec<(u64, Option<String>)>
    where
        Placed: PublishedBy<S>,
    {
        let (url, sums) = (broker(), Sums::default());
        let bus = Bus::<S>::builder().state(sums.clone()).connect(&url).await.unwrap();
        let foreign = Foreign::connect(&url).unwrap();
        foreign.message("shop.orders").key("one").header("ce_id", "bad").payload("no").send().await.unwrap();
        for number in 1..3 {
            bus.publish(&placed(number, "one")).id(format!("order-{number}")).await.unwrap();
        }
        let running = start(&bus).await;
        caught_up(&running).await;
        sums.0.all().into_iter().map(|(sum, cause, _)| (sum, cause)).collect()
    }
    let cause = || Some("order-1".to_owned());
    assert_eq!(sums::<Summer>().await, [(3, cause())]);
    assert_eq!(sums::<Later>().await, [(1_000, cause()), (3, cause())]);
}

#[derive(Debug, EventSet)]
enum Fact {
    Placed(Placed),
    Cancelled(Cancelled),
}

#[handler(batch(max = 10, wait = "5ms"))]
async fn of_a_set(facts: Batch<Envelope<Fact>>, kinds: State<Kinds>) {
    let kind = |fact: &Envelope<Fact>| match &fact.event {
        Fact::Placed(order) => format!("placed {} {}", order.number, fact.metadata.name()),
        Fact::Cancelled(order) => format!("cancelled {} {}", order.number, fact.metadata.name()),
    };
    kinds.0.push(facts.iter().map(kind).collect());
}

#[handler(topic = "shop.payments", group = "any", batch(max = 10, wait = "5ms"))]
async fn of_anything(events: Batch<AnyEvent>, kinds: State<Kinds>) {
    kinds.0.push(events.iter().map(|event| event.name().to_owned()).collect());
}

#[derive(Clone, Default)]
struct Kinds(Seen<Vec<String>>);

service! {
    Kind = "kind" { handles: [of_a_set, of_anything], publishes: [Placed, Cancelled, Paid], state: [Kinds] }
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_hold_a_set_envelopes_or_anything() {
    let kinds = Kinds::default();
    let bus = Bus::<Kind>::builder().state(kinds.clone()).connect("memory:").await.unwrap();
    bus.publish(&placed(1, "c")).await.unwrap();
    bus.publish(&Cancelled { number: 1, customer: "c".into() }).await.unwrap();
    for number in 0..2 {
        bus.publish(&Paid { number, customer: None }).await.unwrap();
    }
    start(&bus).await;
    let expected = [
        vec!["payment.made".to_owned(), "payment.made".to_owned()],
        vec!["placed 1 order.placed".to_owned(), "cancelled 1 order.cancelled".to_owned()],
    ];
    assert_eq!(kinds.0.sorted(), expected);
}
