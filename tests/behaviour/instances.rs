//! Several instances of a service: they share the work, take over what others leave, and keep the order meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{collection::vec, prelude::*};
use tokio::time::Instant;
use typebus::{PublishedBy, Running, Service, StateOf, Tuning, prelude::*};
use typebus_tests::{Does, Gate, Job, Journal, broker, caught_up, counts, patiently};

#[handler(retry(attempts = 100, backoff = "10ms..40ms"), timeout = "1h")]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job], state: [Journal] } }

async fn join(url: &str, journal: &Journal) -> (Bus<Workshop>, Running) {
    let bus = Bus::<Workshop>::builder().state(journal.clone()).connect(url).await.unwrap();
    let running = bus.start().await.unwrap();
    (bus, running)
}

/// Jobs of ten keys, numbered through.
async fn publish(bus: &Bus<Workshop>, numbers: std::ops::Range<u32>, does: impl Fn(u32) -> Vec<Does>) {
    for number in numbers {
        bus.publish(&Job::of(&format!("key-{}", number % 10), number).does(does(number))).await.unwrap();
    }
}

fn numbers(journal: &Journal) -> Vec<u32> {
    let mut numbers: Vec<u32> = journal.beginnings().into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(start_paused = true)]
async fn instances_share_the_work() {
    let (url, journal) = (broker(), Journal::default());
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(join(&url, &journal).await);
    }
    publish(&instances[0].0, 0..300, |_| vec![Does::Take(5)]).await;
    caught_up(&instances[2].1).await;
    assert_eq!(numbers(&journal), (0..300).collect::<Vec<_>>());
    journal.assert_key_order();
    let shares: Vec<u64> = instances.iter().map(|(_, running)| counts(running).handled).collect();
    assert_eq!(shares.iter().sum::<u64>(), 300);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_finishes_what_runs_and_the_others_take_what_waits() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, leaving) = join(&url, &journal).await;
    publish(&bus, 0..100, |_| vec![Does::Take(1_000)]).await;
    journal.begun(10).await;
    let (_staying, running) = join(&url, &journal).await;
    patiently(leaving.stop()).await.unwrap();
    assert!(counts(&leaving).handled > 0);
    caught_up(&running).await;
    // Nothing twice, nothing lost.
    assert_eq!(numbers(&journal), (0..100).collect::<Vec<_>>());
    journal.assert_key_order();
    assert_eq!(counts(&leaving).handled + counts(&running).handled, 100);
}

#[tokio::test(start_paused = true)]
async fn a_partition_goes_over_when_what_runs_of_it_is_finished() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, old) = join(&url, &journal).await;
    let began = Instant::now();
    publish(&bus, 0..20, |_| vec![Does::Take(5_000)]).await;
    journal.begun(10).await;
    let (_bus, new) = join(&url, &journal).await;
    caught_up(&new).await;
    journal.assert_key_order();
    assert_eq!(numbers(&journal), (0..20).collect::<Vec<_>>());
    assert!(counts(&new).handled > 0 && counts(&old).handled > 10);
    // Each key has two jobs of 5 s, one after the other, wherever they ran.
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_runs_longer_than_the_grace_is_dropped_and_begun_again_by_the_new_owner() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, _old) = join(&url, &journal).await;
    let began = Instant::now();
    publish(&bus, 0..10, |_| vec![Does::Take(15_000)]).await;
    journal.begun(10).await;
    let (_bus, new) = join(&url, &journal).await;
    caught_up(&new).await;
    journal.assert_key_order_over_instances();
    let again = u32::try_from(journal.beginnings().len()).unwrap() - 10;
    assert_eq!(u64::from(again), counts(&new).handled);
    assert!((1..10).contains(&again), "{again} of 10 keys went over");
    // 10 s of grace, and 15 s from the beginning.
    assert_eq!(began.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn what_sleeps_is_handed_over_and_not_waited_for() {
    let (url, journal) = (format!("{}?partitions=2", broker()), Journal::default());
    let (bus, _old) = join(&url, &journal).await;
    let mut partitions: [BTreeSet<u32>; 2] = Default::default();
    for number in 0..20 {
        let job = Job::of(&format!("key-{number}"), number).does([Does::FailFor(120_000)]);
        let stored = bus.publish(&job).await.unwrap();
        partitions[usize::try_from(stored.partition().unwrap()).unwrap()].insert(number);
    }
    journal.begun(20).await;
    let (_bus, _new) = join(&url, &journal).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again: BTreeSet<u32> = journal.beginnings()[20..].iter().map(|(number, _)| *number).collect();
    assert!(partitions.contains(&again), "{again:?} is none of {partitions:?}");
    assert!(journal.beginnings()[20..].iter().all(|(_, attempt)| *attempt == 2), "attempts go along");
}

#[tokio::test(start_paused = true)]
async fn what_fails_after_its_partition_was_asked_for_is_handed_over_at_once() {
    let (url, journal) = (format!("{}?partitions=2", broker()), Journal::default());
    let (bus, old) = join(&url, &journal).await;
    publish(&bus, 0..10, |_| vec![Does::FailIn(3_000)]).await;
    journal.begun(10).await;
    let began = Instant::now();
    let (_bus, new) = join(&url, &journal).await;
    caught_up(&new).await;
    journal.assert_key_order_over_instances();
    let moved: Vec<u32> =
        (0..10).filter(|number| journal.beginnings()[10..].contains(&(*number, 1))).collect();
    assert!(!moved.is_empty(), "no key went over");
    for number in moved {
        let [_, first, second] = journal.moments(number)[..] else { panic!("{number} ran otherwise") };
        // It failed after 3 s, and went over then, not after the whole grace.
        assert_eq!(((first - began).as_millis() / 100, (second - began).as_millis() / 100), (30, 60));
    }
    assert_eq!(counts(&new).handled + counts(&old).handled, 10);
}

#[tokio::test(start_paused = true)]
async fn dropping_what_runs_lets_others_take_over() {
    let (url, journal) = (broker(), Journal::default());
    let (bus, dropped) = join(&url, &journal).await;
    publish(&bus, 0..30, |_| vec![Does::Take(100)]).await;
    journal.begun(10).await;
    drop(dropped);
    let (_bus, running) = join(&url, &journal).await;
    caught_up(&running).await;
    assert_eq!(numbers(&journal), (0..30).collect::<Vec<_>>());
    journal.assert_key_order();
}

/// What happens to a group of instances.
#[derive(Debug, Clone)]
enum Step {
    Publish(Vec<(u8, Vec<Does>)>),
    Join,
    /// The nth stops; others go on.
    Leave(prop::sample::Index),
    /// The nth is dropped where it stands, without a drain.
    Hurry(prop::sample::Index),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let does = prop_oneof![
        3 => Just(Does::Well),
        3 => (1..300_u64).prop_map(Does::Take),
        1 => Just(Does::Fail),
        1 => (1..300_u64).prop_map(Does::FailIn),
        1 => (1..300_u64).prop_map(Does::FailFor),
        1 => Just(Does::Panic),
    ];
    prop_oneof![
        4 => vec((0..8_u8, vec(does, 0..3)), 1..20).prop_map(Step::Publish),
        2 => Just(Step::Join),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => any::<prop::sample::Index>().prop_map(Step::Hurry),
        3 => (0..200_u64).prop_map(Step::Pass),
    ]
}

/// Instances that come and go, as the steps say, and what of each key was published.
async fn play<S>(steps: Vec<Step>, journal: &Journal) -> BTreeMap<String, Vec<u32>>
where
    S: Service + StateOf<Journal>,
    Job: PublishedBy<S>,
{
    let url = broker();
    let join = || async {
        let bus = Bus::<S>::builder().state(journal.clone()).connect(&url).await.unwrap();
        let running = bus.start().await.unwrap();
        (bus, running)
    };
    let publisher = Bus::<S>::builder().state(journal.clone()).connect(&url).await.unwrap();
    let mut expected = BTreeMap::<String, Vec<u32>>::new();
    let (mut instances, mut number) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Publish(jobs) => {
                for (key, does) in jobs {
                    let key = format!("key-{key}");
                    publisher.publish(&Job::of(&key, number).does(does)).await.unwrap();
                    expected.entry(key).or_default().push(number);
                    number += 1;
                }
            }
            Step::Join => instances.push(join().await),
            Step::Leave(nth) if !instances.is_empty() => {
                let (_, leaving) = instances.swap_remove(nth.index(instances.len()));
                patiently(leaving.stop()).await.unwrap();
            }
            Step::Hurry(nth) if !instances.is_empty() => {
                instances.swap_remove(nth.index(instances.len())).1.hurry();
            }
            Step::Leave(_) | Step::Hurry(_) => {}
            Step::Pass(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }
    let (_bus, last) = join().await;
    caught_up(&last).await;
    expected
}

fn virtually<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

#[handler(batch(max = 5, wait = "20ms"), retry(attempts = 100, backoff = "10ms..40ms"), timeout = "1h")]
async fn work_in_batches(jobs: Batch<Job>, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    for job in &jobs {
        journal.run(job, attempt.number()).await?;
    }
    Ok(())
}

service! { Batching = "batching" { handles: [work_in_batches], publishes: [Job], state: [Journal] } }

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Instances come and go at any moment: nothing is lost, and no key ever runs twice at once or out of order.
    #[test]
    fn instances_that_come_and_go_lose_nothing_and_keep_the_order(steps in vec(step(), 1..25)) {
        virtually(async {
            let journal = Journal::default();
            let expected = play::<Workshop>(steps, &journal).await;
            assert_eq!(journal.assert_key_order_over_instances(), expected);
        });
    }

    /// The same with batches.
    #[test]
    fn instances_with_batches_lose_nothing_and_keep_the_order(steps in vec(step(), 1..25)) {
        virtually(async {
            let journal = Journal::default();
            let expected = play::<Batching>(steps, &journal).await;
            assert_eq!(journal.assert_key_order_of_batches(), expected);
        });
    }
}

#[handler(timeout = none)]
async fn wait(job: Job, attempt: Attempt, journal: State<Journal>, gate: State<Gate>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await?;
    if job.number >= 20 {
        gate.pass().await;
    }
    Ok(())
}

service! { Waiting = "waiting" { handles: [wait], publishes: [Job], state: [Journal, Gate] } }

/// With the real clock: a process that crashes is played by a runtime that is shut down.
#[tokio::test]
async fn what_a_crash_leaves_unsettled_comes_again_and_nothing_else() {
    let test = async {
        let (url, journal, gate) = (broker(), Journal::default(), Gate::default());
        let builder = || Bus::<Waiting>::builder().state((journal.clone(), gate.clone()));
        let bus = builder().connect(&url).await.unwrap();
        for number in 0..30 {
            bus.publish(&Job::of(&format!("key-{}", number % 5), number)).await.unwrap();
        }
        let crashing =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let doomed = builder().connect(&url).await.unwrap();
        let running = crashing.spawn(async move { doomed.start().await.unwrap() });
        // Twenty are settled; of each key one is stuck, and one waits behind it.
        gate.crowd(5).await;
        crashing.shutdown_background();
        let _ = running.await;
        gate.crowd(0).await;

        let survivor = bus.start().await.unwrap();
        // Any of those may have been the reason, so they run one at a time.
        gate.crowd(1).await;
        assert_eq!(numbers(&journal).len(), 25 + 1);
        gate.open();
        caught_up(&survivor).await;
        assert_eq!(counts(&survivor).handled, 10);
        assert_eq!(numbers(&journal), (0..30).chain(20..25).collect::<Vec<_>>().sorted());
        journal.assert_key_order_over_instances();
        survivor.stop().await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(20), test).await.unwrap();
}

trait Sorted {
    fn sorted(self) -> Self;
}

impl Sorted for Vec<u32> {
    fn sorted(mut self) -> Self {
        self.sort_unstable();
        self
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_stuck_keeps_its_partitions_and_the_others_go_on() {
    let (url, journal, gate) = (broker(), Journal::default(), Gate::default());
    let builder = || Bus::<Waiting>::builder().state((journal.clone(), gate.clone()));
    let (one, two) = (builder().connect(&url).await.unwrap(), builder().connect(&url).await.unwrap());
    let (_stuck, fine) = (one.start().await.unwrap(), two.start().await.unwrap());
    // One key, stuck at one of the two.
    one.publish(&Job::of("stuck", 20)).await.unwrap();
    one.publish(&Job::of("stuck", 21)).await.unwrap();
    gate.crowd(1).await;
    for number in 0..20 {
        one.publish(&Job::of(&format!("key-{number}"), number)).await.unwrap();
    }
    journal.begun(21).await;
    assert_eq!(numbers(&journal), (0..21).collect::<Vec<_>>());
    gate.open();
    caught_up(&fine).await;
    assert_eq!(numbers(&journal), (0..22).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_a_revocation_can_be_set() {
    let (url, journal) = (broker(), Journal::default());
    let tuning = Tuning { revoke_grace: Duration::from_secs(2), ..Tuning::default() };
    let builder = Bus::<Workshop>::builder().state(journal.clone()).tuning(tuning);
    let bus = builder.connect(&url).await.unwrap();
    let _old = bus.start().await.unwrap();
    publish(&bus, 0..10, |_| vec![Does::Take(10_000)]).await;
    journal.begun(10).await;
    let began = Instant::now();
    let (_bus, new) = join(&url, &journal).await;
    journal.begun(11).await;
    assert_eq!(began.elapsed().as_secs(), 2);
    caught_up(&new).await;
    journal.assert_key_order_over_instances();
}
