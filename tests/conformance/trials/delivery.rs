//! Delivery: everything that is confirmed arrives, once, where it belongs, as it was published.

use std::collections::BTreeSet;

use typebus::{Config, ErrorKind, Provisioning, manifest::Manifest, prelude::*};
use typebus_tests::{Cancelled, Paid, Placed, Seen, caught_up, counts, patiently};

use crate::{
    trial::{Verdict, trials},
    world::World,
};

trials! { "Delivery":
    "what is published before anybody subscribes arrives as it was" => early, caught: [DropsHeaders @ "memory", ProvisionsLate @ "rabbitmq"];
    "fifty publishers and three instances lose and add nothing" => many, caught: [PublishesTwice @ "memory", LosesTenth @ "kafka"];
    "twenty topics at once" => topics, caught: [LosesTenth @ "memory"];
    "two groups each get everything" => groups, caught: [OneGroup @ "memory"];
    "topics are isolated" => isolation, caught: [CrossesTopics @ "memory"];
    "a new group from `earliest` sees history" => earliest, caught: [StartsLatest @ "memory"];
    "a new group from `latest` does not" => latest, caught: [StartsEarliest @ "memory"];
    "`latest`, killed before its first commit, loses nothing" [7] => latest_killed, caught: [ProvisionsLate @ "memory"];
    "what a manifest provisions gets what is published before the service first runs" => provisioned, caught: [ProvisionsLate @ "memory"];
    "a service that stops and starts between batches loses and repeats none" => between, caught: [NeverSettles @ "memory"];
    "a publisher closed in mid-flight: confirmed is there, the rest an error" => closed, caught: [SwallowsErrors @ "memory"];
    "a broadcast reaches every instance, and a reconnect loses nothing" [22] => broadcast, caught: [SharesBroadcast @ "memory", SkipsRedelivered @ "memory"];
    "patterns and sets of events get what is theirs" => patterns, caught: [LosesTenth @ "memory"];
}

fn placed(number: u64) -> Placed {
    Placed { number, customer: format!("customer-{}", number % 7) }
}

/// Id, key, a header and the payload of what arrived.
type Arrived = (String, Option<String>, Option<String>, Vec<u8>);

#[derive(Clone, Default)]
struct Raw(Seen<Arrived>);

#[handler(topic = "shop.orders")]
async fn keep(event: AnyEvent, raw: State<Raw>) {
    let metadata = event.metadata();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (key, header) = (owned(metadata.key()), owned(metadata.header("channel")));
    raw.0.push((metadata.id().to_owned(), key, header, event.payload().to_vec()));
}

service! { Keeper = "keeper" { handles: [keep], publishes: [Placed], state: [Raw] } }

async fn early(world: &World) -> Verdict {
    let raw = Raw::default();
    let process = world.process::<Keeper, _>(raw.clone()).await;
    let mut expected = Vec::new();
    for number in 0..20 {
        let order = placed(number);
        let receipt = process.bus.publish(&order).header("channel", "Büro").await.unwrap();
        let payload = serde_json::to_vec(&order).unwrap();
        expected.push((receipt.id().to_owned(), Some(order.customer), Some("Büro".to_owned()), payload));
    }
    caught_up(&process.start().await).await;
    expected.sort();
    assert_eq!(raw.0.sorted(), expected);
    Verdict::Kept
}

#[derive(Clone, Default)]
struct Office {
    orders: Seen<u64>,
    audit: Seen<u64>,
}

#[handler]
async fn take(order: Placed, office: State<Office>) {
    office.orders.push(order.number);
}

#[handler(group = "audit")]
async fn audit(order: Placed, office: State<Office>) {
    office.audit.push(order.number);
}

service! { Taker = "taker" { handles: [take], publishes: [Placed], state: [Office] } }
service! { Offices = "offices" { handles: [take, audit], publishes: [Placed, Paid], state: [Office] } }

async fn many(world: &World) -> Verdict {
    let office = Office::default();
    let mut instances = Vec::new();
    for _ in 0..3 {
        let process = world.process::<Taker, _>(office.clone()).await;
        instances.push((process.start().await, process));
    }
    let publishers: Vec<_> = (0..50)
        .map(|publisher| {
            let bus = instances[publisher % 3].1.bus.clone();
            tokio::spawn(async move {
                for nth in 0..8 {
                    bus.publish(&placed(publisher as u64 * 8 + nth)).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    caught_up(&instances[0].0).await;
    assert_eq!(office.orders.sorted(), (0..400).collect::<Vec<_>>());
    for (running, _) in &instances {
        patiently(running.stop()).await.unwrap();
    }
    assert_eq!(office.orders.count(), 400);
    Verdict::Kept
}

#[derive(Clone, Default)]
struct Trail(Seen<String>);

#[handler(topic = "many.*", group = "many")]
async fn of_many(event: AnyEvent, trail: State<Trail>) {
    trail.0.push(event.metadata().topic().to_owned());
}

service! { Many = "many" { handles: [of_many], state: [Trail] } }

async fn topics(world: &World) -> Verdict {
    let trail = Trail::default();
    let running = world.process::<Many, _>(trail.clone()).await.start().await;
    let foreign = world.foreign();
    let mut expected = Vec::new();
    for _ in 0..5 {
        for topic in 0..20 {
            let topic = format!("many.t{topic}");
            foreign.message(&topic).header("ce_type", "any.v1").payload("{}").send().await.unwrap();
            expected.push(topic);
        }
    }
    caught_up(&running).await;
    expected.sort();
    assert_eq!(trail.0.sorted(), expected);
    Verdict::Kept
}

async fn groups(world: &World) -> Verdict {
    let office = Office::default();
    let process = world.process::<Offices, _>(office.clone()).await;
    for number in 0..30 {
        process.bus.publish(&placed(number)).await.unwrap();
    }
    let running = process.start().await;
    for number in 30..60 {
        process.bus.publish(&placed(number)).await.unwrap();
    }
    caught_up(&running).await;
    let all: Vec<u64> = (0..60).collect();
    assert_eq!((office.orders.sorted(), office.audit.sorted()), (all.clone(), all));
    Verdict::Kept
}

#[handler(group = "till")]
async fn pay(_: Paid) {}

service! { Till = "till" { handles: [pay], publishes: [Placed, Paid] } }

async fn isolation(world: &World) -> Verdict {
    let office = Office::default();
    let till = world.stateless::<Till>().await;
    let taker = world.process::<Taker, _>(office.clone()).await;
    let (till_running, taking) = (till.start().await, taker.start().await);
    for number in 0..10 {
        till.bus.publish(&placed(number)).await.unwrap();
        till.bus.publish(&Paid { number, customer: None }).await.unwrap();
    }
    caught_up(&till_running).await;
    caught_up(&taking).await;
    assert_eq!((counts(&till_running).received, counts(&taking).received), (10, 10));
    Verdict::Kept
}

#[handler(start = earliest, group = "early")]
async fn from_the_start(order: Placed, office: State<Office>) {
    office.audit.push(order.number);
}

#[handler(start = latest, group = "late")]
async fn from_now(order: Placed, office: State<Office>) {
    office.audit.push(order.number);
}

service! { Early = "early" { handles: [from_the_start], state: [Office] } }
service! { Late = "late" { handles: [from_now], state: [Office] } }

async fn earliest(world: &World) -> Verdict {
    let office = Office::default();
    let taker = world.process::<Taker, _>(office.clone()).await;
    for number in 0..5 {
        taker.bus.publish(&placed(number)).await.unwrap();
    }
    if !world.capabilities().start_earliest {
        let builder = Bus::<Early>::builder().state(office.clone());
        let error = builder.connect(world.backend()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`start = earliest`"), "{error}");
        return Verdict::Absent;
    }
    let new = world.process::<Early, _>(office.clone()).await;
    taker.bus.publish(&placed(5)).await.unwrap();
    caught_up(&new.start().await).await;
    assert_eq!(office.audit.sorted(), (0..6).collect::<Vec<_>>());
    Verdict::Kept
}

async fn latest(world: &World) -> Verdict {
    let office = Office::default();
    let taker = world.process::<Taker, _>(office.clone()).await;
    taker.bus.publish(&placed(0)).await.unwrap();
    let new = world.process::<Late, _>(office.clone()).await;
    taker.bus.publish(&placed(1)).await.unwrap();
    let running = new.start().await;
    caught_up(&running).await;
    assert_eq!(office.audit.all(), [1]);
    // Once it exists, it goes on where it was.
    patiently(running.stop()).await.unwrap();
    taker.bus.publish(&placed(2)).await.unwrap();
    caught_up(&world.process::<Late, _>(office.clone()).await.start().await).await;
    assert_eq!(office.audit.all(), [1, 2]);
    Verdict::Kept
}

async fn latest_killed(world: &World) -> Verdict {
    let office = Office::default();
    let taker = world.process::<Taker, _>(office.clone()).await;
    taker.bus.publish(&placed(0)).await.unwrap();
    let dying = world.process::<Late, _>(office.clone()).await;
    for number in 1..6 {
        taker.bus.publish(&placed(number)).await.unwrap();
    }
    dying.harm.kill();
    caught_up(&world.process::<Late, _>(office.clone()).await.start().await).await;
    assert_eq!(office.audit.sorted(), (1..6).collect::<Vec<_>>());
    Verdict::Kept
}

async fn provisioned(world: &World) -> Verdict {
    let office = Office::default();
    let taker = world.process::<Taker, _>(Office::default()).await;
    taker.bus.publish(&placed(0)).await.unwrap();
    let needs = Provisioning::new(&Manifest::of::<Late>(), &Config::new()).unwrap();
    for _ in 0..2 {
        patiently(needs.apply(world.backend())).await.unwrap();
    }
    taker.bus.publish(&placed(1)).await.unwrap();
    caught_up(&world.process::<Late, _>(office.clone()).await.start().await).await;
    assert_eq!(office.audit.all(), [1]);
    Verdict::Kept
}

async fn between(world: &World) -> Verdict {
    let office = Office::default();
    let publisher = world.process::<Taker, _>(Office::default()).await;
    for round in 0..4 {
        let running = world.process::<Taker, _>(office.clone()).await.start().await;
        for nth in 0..10 {
            publisher.bus.publish(&placed(round * 20 + nth)).await.unwrap();
        }
        patiently(running.stop()).await.unwrap();
        for nth in 10..20 {
            publisher.bus.publish(&placed(round * 20 + nth)).await.unwrap();
        }
    }
    caught_up(&world.process::<Taker, _>(office.clone()).await.start().await).await;
    assert_eq!(office.orders.sorted(), (0..80).collect::<Vec<_>>());
    Verdict::Kept
}

async fn closed(world: &World) -> Verdict {
    let office = Office::default();
    let taker = world.process::<Taker, _>(office.clone()).await;
    let closing = world.process::<Taker, _>(Office::default()).await;
    let held = closing.harm.hold_confirmations("shop.orders");
    let publishers: Vec<_> = (0..50)
        .map(|number| {
            let bus = closing.bus.clone();
            tokio::spawn(async move {
                if number >= 20 {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                (number, bus.publish(&placed(number)).await.is_ok())
            })
        })
        .collect();
    for _ in 0..publishers.len() {
        tokio::task::yield_now().await;
    }
    // Twenty are on their way, thirty are still to come.
    let backend = world.backend();
    closing.harm.kill();
    let mut confirmed = BTreeSet::new();
    for publisher in publishers {
        let (number, is_confirmed) = patiently(publisher).await.unwrap();
        confirmed.extend(is_confirmed.then_some(number));
    }
    drop(held);
    taker.bus.publish(&placed(100)).await.unwrap();
    caught_up(&taker.start().await).await;
    let arrived: BTreeSet<u64> = office.orders.all().into_iter().collect();
    assert!(confirmed.is_subset(&arrived), "{confirmed:?} were confirmed, and {arrived:?} arrived");
    assert!(confirmed.len() < 30 && arrived.contains(&100), "{confirmed:?}");
    patiently(backend.close()).await.unwrap();
    Verdict::Kept
}

#[handler(broadcast)]
async fn everywhere(order: Placed, seen: State<Seen<u64>>) {
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    seen.push(order.number);
}

service! { Caches = "caches" { handles: [everywhere], publishes: [Placed], state: [Seen<u64>] } }

async fn broadcast(world: &World) -> Verdict {
    let mut instances = Vec::new();
    for _ in 0..3 {
        let seen = Seen::default();
        let process = world.process::<Caches, _>(seen.clone()).await;
        instances.push((process.start().await, process, seen));
    }
    for number in 0..10 {
        instances[0].1.bus.publish(&placed(number)).await.unwrap();
    }
    // While they are handled, one is cut off for a moment.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    instances[1].1.harm.lose();
    for number in 10..20 {
        instances[0].1.bus.publish(&placed(number)).await.unwrap();
    }
    instances[1].1.harm.lose();
    for (running, _, seen) in &instances {
        caught_up(running).await;
        let mut seen = seen.sorted();
        seen.dedup();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }
    Verdict::Kept
}

#[derive(EventSet)]
enum Fact {
    Placed(Placed),
    Cancelled(Cancelled),
    Paid(Paid),
}

#[handler]
async fn note(fact: Fact, trail: State<Trail>) {
    trail.0.push(match fact {
        Fact::Placed(order) => format!("placed {}", order.number),
        Fact::Cancelled(order) => format!("cancelled {}", order.number),
        Fact::Paid(paid) => format!("paid {}", paid.number),
    });
}

#[handler(topic = "shop.*", group = "flat")]
async fn flat(event: AnyEvent, trail: State<Trail>) {
    trail.0.push(format!("flat {}", event.name()));
}

#[handler(topic = "shop.>", group = "deep")]
async fn deep(event: AnyEvent, trail: State<Trail>) {
    trail.0.push(format!("deep {}", event.name()));
}

service! { Ledger = "ledger" { handles: [note, flat, deep], publishes: [Placed, Cancelled, Paid], state: [Trail] } }

async fn patterns(world: &World) -> Verdict {
    let trail = Trail::default();
    let process = world.process::<Ledger, _>(trail.clone()).await;
    let running = process.start().await;
    let foreign = world.foreign();
    let mut expected = Vec::new();
    for number in 0..4 {
        process.bus.publish(&placed(number)).await.unwrap();
        let cancelled = Cancelled { number, customer: "ann".into() };
        process.bus.publish(&cancelled).await.unwrap();
        process.bus.publish(&Paid { number, customer: None }).await.unwrap();
        // A topic that nobody had heard of.
        foreign.message("shop.a.b").header("ce_type", "other.v1").payload("{}").send().await.unwrap();
        for name in ["order.placed", "order.cancelled", "payment.made"] {
            expected.extend([format!("flat {name}"), format!("deep {name}")]);
        }
        expected.extend(["placed", "cancelled", "paid"].map(|what| format!("{what} {number}")));
        expected.push("deep other".to_owned());
    }
    caught_up(&running).await;
    expected.sort();
    assert_eq!(trail.0.sorted(), expected);
    Verdict::Kept
}
