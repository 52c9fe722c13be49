//! Publish: a confirmation is a promise, and every other answer is an error that says what is wrong.

use std::{collections::BTreeSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use typebus::{ErrorKind, Reason, backend::Plan, prelude::*};
use typebus_tests::{Ends, Paid, Placed, Seen, Shipped, caught_up, ends, letters};

use crate::{
    backends::Unrouted,
    trial::{Verdict, trials},
    world::World,
};

trials! { "Publish":
    "it declares no less than it must" => declares, caught: [DeclaresLess @ "memory", DeclaresLess @ "pulsar"];
    "what nobody receives is kept, or an error" [12] => unroutable, caught: [SwallowsErrors @ "rabbitmq", SwallowsErrors @ "nats", SwallowsErrors @ "pulsar"];
    "of several that are published each has its own result" => batch, caught: [SwallowsErrors @ "memory"];
    "the largest event fits, its dead letter too, and more is an error before the wire" [19] => largest, caught: [OverstatesLimit @ "memory", OverstatesLimit @ "rabbitmq"];
    "a returned pair whose second publish fails: same ids, and not run again" [11] => pair, caught: [NewIds @ "memory", LosesTenth @ "kafka"];
    "an event whose confirmation was lost is sent again with its id" => unconfirmed, caught: [NewIds @ "nats", NewIds @ "memory"];
    "`.delay` is a floor" => delay, caught: [DropsOptions @ "memory"];
    "what expires is not delivered" => expiry, caught: [DropsOptions @ "memory"];
    "`.partition` is obeyed" => partition, caught: [DropsOptions @ "memory"];
    "names that the broker takes for one, and a group in another order" [26] => names, caught: [AcceptsAnything @ "kafka", AcceptsAnything @ "rabbitmq"];
}

const SECOND: Duration = Duration::from_secs(1);

async fn declares(world: &World) -> Verdict {
    let (can, must) = (world.capabilities(), world.at_least());
    for (what, can, must) in [
        ("patterns", can.patterns, must.patterns),
        ("key_order", can.key_order, must.key_order),
        ("partition_order", can.partition_order, must.partition_order),
        ("start_earliest", can.start_earliest, must.start_earliest),
        ("start_latest", can.start_latest, must.start_latest),
        ("broadcast", can.broadcast, must.broadcast),
        ("at_most_once", can.at_most_once, must.at_most_once),
        ("crash_guard", can.crash_guard, must.crash_guard),
        ("delay", can.delay, must.delay),
        ("expiry", can.expiry, must.expiry),
        ("explicit_partition", can.explicit_partition, must.explicit_partition),
    ] {
        assert!(can || !must, "`{what}` is absent");
    }
    let forever = Duration::MAX;
    assert!(can.longest_hold.unwrap_or(forever) >= must.longest_hold.unwrap_or(forever));
    assert!(can.max_message >= must.max_message, "{}", can.max_message);
    Verdict::Kept
}

type Numbers = Seen<u64>;

#[handler]
async fn take(order: Placed, seen: State<Numbers>) {
    seen.push(order.number);
}

service! { Taker = "taker" { handles: [take], publishes: [Placed, Paid], state: [Numbers] } }

fn placed(number: u64) -> Placed {
    Placed { number, customer: "ann".into() }
}

async fn unroutable(world: &World) -> Verdict {
    let seen = Numbers::default();
    let process = world.process::<Taker, _>(seen.clone()).await;
    let foreign = world.foreign();
    let unread = process.bus.publish(&Paid { number: 1, customer: None }).await;
    let unheard = foreign.message("nobody.heard.of.it").header("ce_type", "x.v1").send().await;
    for (sent, kept) in [
        (unread.map(drop), world.nature().unrouted != Unrouted::Refused),
        (unheard.map(drop), world.nature().unrouted == Unrouted::Kept),
    ] {
        match kept {
            true => sent.unwrap(),
            false => assert_eq!(sent.expect_err("it is nowhere").kind(), ErrorKind::Unroutable),
        }
    }
    // The connection is up.
    process.bus.publish(&placed(2)).await.unwrap();
    caught_up(&process.start().await).await;
    assert_eq!(seen.all(), [2]);
    Verdict::Kept
}

async fn batch(world: &World) -> Verdict {
    let seen = Numbers::default();
    let process = world.process::<Taker, _>(seen.clone()).await;
    let mut orders: Vec<Placed> = (0..20).map(placed).collect();
    orders[5].customer = String::new();
    process.harm.fail("shop.orders", 1);
    let results = process.bus.publish_all(&orders).await;
    let failed: Vec<_> =
        (0..).zip(&results).filter_map(|(nth, result)| Some((nth, result.as_ref().err()?.kind()))).collect();
    assert_eq!(failed, [(0, ErrorKind::Connect), (5, ErrorKind::InvalidKey)]);
    caught_up(&process.start().await).await;
    assert_eq!(seen.all(), (0..20).filter(|number| ![0, 5].contains(number)).collect::<Vec<_>>());
    Verdict::Kept
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "work.padded", name = "padded", key = key)]
struct Padded {
    key: String,
    pad: String,
}

#[handler(retry(attempts = 1))]
async fn choke(_: Padded) -> Result<(), Failure> {
    Err(Failure::retry("e".repeat(5_000)))
}

service! { Choker = "choker" { handles: [choke], publishes: [Padded] } }

async fn largest(world: &World) -> Verdict {
    let process = world.stateless::<Choker>().await;
    let limit = process_limit(world);
    let send = |bytes: usize| {
        let event = Padded { key: "k".repeat(1_000), pad: "x".repeat(bytes) };
        process.bus.publish(&event).header("pad", "h".repeat(10_000))
    };
    // The error says how large it is, and how large it may be; so what fits is known to the byte.
    let error = send(limit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let text = error.to_string();
    let number = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse::<usize>();
    let (size, most) = text
        .split_once(" bytes with key")
        .and_then(|(before, after)| {
            let most = after.split_once("takes at most ")?.1.split(' ').next()?;
            Some((number(before.rsplit(' ').next()?).ok()?, number(most).ok()?))
        })
        .unwrap_or_else(|| panic!("it does not say how large: {text}"));
    let fits = limit - (size - most);
    assert_eq!(send(fits + 1).await.unwrap_err().kind(), ErrorKind::TooLarge);
    send(fits).await.expect("the largest that is not refused fits");
    assert!(fits > limit - 40 * 1024, "{fits} of {limit}");
    let running = process.start().await;
    caught_up(&running).await;
    assert_eq!(ends(&running), Ends { dead_lettered: 1, ..Ends::NONE });
    let letter = letters(&process.bus, "choker").await.remove(0);
    assert!(letter.payload().len() > fits && letter.error().len() > 1_000);
    assert_eq!(letter.metadata().header("pad").map(str::len), Some(10_000));
    assert_eq!(letter.reason(), Reason::Failed);
    Verdict::Kept
}

/// What the broker takes in truth.
const fn process_limit(world: &World) -> usize {
    world.at_least().max_message
}

#[derive(Clone, Default)]
struct Desk {
    runs: Seen<u64>,
    arrived: Seen<(String, String)>,
}

#[handler(retry(attempts = 4, backoff = "1s..1s"))]
async fn sell(order: Placed, desk: State<Desk>) -> (Paid, Shipped) {
    desk.runs.push(order.number);
    (Paid { number: order.number, customer: None }, Shipped { number: order.number })
}

#[handler(topic = "shop.payments", group = "tills")]
async fn paid(event: AnyEvent, desk: State<Desk>) {
    desk.arrived.push((event.name().to_owned(), event.metadata().id().to_owned()));
}

#[handler(topic = "shop.parcels", group = "tills")]
async fn sent(event: AnyEvent, desk: State<Desk>) {
    desk.arrived.push((event.name().to_owned(), event.metadata().id().to_owned()));
}

service! { Shop = "shop" { handles: [sell, paid, sent], publishes: [Placed], state: [Desk] } }

async fn pair(world: &World) -> Verdict {
    let desk = Desk::default();
    let process = world.process::<Shop, _>(desk.clone()).await;
    process.harm.fail("shop.parcels", 3);
    for number in 0..5 {
        process.bus.publish(&placed(number)).header("channel", "web").await.unwrap();
    }
    let running = process.start().await;
    caught_up(&running).await;
    caught_up(&running).await;
    assert_eq!((desk.runs.count(), desk.arrived.count()), (5, 10));
    let unique: BTreeSet<_> = desk.arrived.all().into_iter().collect();
    assert_eq!(unique.len(), 10);
    // The ids are those of their cause: the process that dies of the next publish gives them again.
    let (first, second) = (world.process::<Shop, _>(desk.clone()).await, Desk::default());
    drop(first);
    for (name, id) in unique {
        let uuid = uuid::Uuid::parse_str(&id).unwrap_or_else(|_| panic!("{name} has the id {id}"));
        assert_eq!(uuid.get_version_num(), 5, "{name} {id}");
    }
    drop(second);
    Verdict::Kept
}

async fn unconfirmed(world: &World) -> Verdict {
    let desk = Desk::default();
    let process = world.process::<Shop, _>(desk.clone()).await;
    process.harm.lose_confirmation("shop.parcels");
    process.bus.publish(&placed(1)).await.unwrap();
    let running = process.start().await;
    caught_up(&running).await;
    caught_up(&running).await;
    let parcels: Vec<String> =
        desk.arrived.all().into_iter().filter(|(name, _)| name == "parcel.sent").map(|(_, id)| id).collect();
    let copies = if world.nature().compares_ids { 1 } else { 2 };
    assert_eq!((desk.runs.all(), parcels.len()), (vec![1], copies), "its handler ran once");
    assert!(parcels.iter().all(|id| *id == parcels[0]), "{parcels:?}");
    Verdict::Kept
}

fn unsupported(error: &typebus::Error, what: &str) -> Verdict {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(what), "{error}");
    Verdict::Absent
}

async fn delay(world: &World) -> Verdict {
    let seen = Numbers::default();
    let process = world.process::<Taker, _>(seen.clone()).await;
    let running = process.start().await;
    let (began, delay) = (Instant::now(), world.either(30 * SECOND, 3 * SECOND));
    let sent = process.bus.publish(&placed(1)).delay(delay).await;
    if !world.capabilities().delay {
        return unsupported(&sent.unwrap_err(), "`.delay`");
    }
    sent.unwrap();
    process.bus.publish(&Placed { number: 2, customer: "ben".into() }).await.unwrap();
    assert_eq!(seen.reached(2).await, [2, 1]);
    let waited = began.elapsed();
    assert!(waited >= delay && waited < delay + 10 * SECOND, "{waited:?}");
    caught_up(&running).await;
    Verdict::Kept
}

async fn expiry(world: &World) -> Verdict {
    let seen = Numbers::default();
    let process = world.process::<Taker, _>(seen.clone()).await;
    let life = world.either(5 * SECOND, 2 * SECOND);
    let sent = process.bus.publish(&placed(1)).expires_in(life).await;
    if !world.capabilities().expiry {
        return unsupported(&sent.unwrap_err(), "`.expires_in`");
    }
    sent.unwrap();
    process.bus.publish(&placed(2)).expires_in(50 * SECOND).await.unwrap();
    process.bus.publish(&placed(3)).await.unwrap();
    tokio::time::sleep(life + SECOND).await;
    caught_up(&process.start().await).await;
    assert_eq!(seen.all(), [2, 3]);
    Verdict::Kept
}

async fn partition(world: &World) -> Verdict {
    let seen = Numbers::default();
    let process = world.process::<Taker, _>(seen.clone()).await;
    for number in 0..4 {
        let sent = process.bus.publish(&placed(number)).partition(u32::try_from(number).unwrap()).await;
        if !world.capabilities().explicit_partition {
            return unsupported(&sent.unwrap_err(), "`.partition`");
        }
        assert_eq!(sent.unwrap().partition().map(u64::from), Some(number));
    }
    let none = process.bus.publish(&placed(9)).partition(1_000_000).await.unwrap_err();
    assert!(!none.is_transient(), "{none}");
    caught_up(&process.start().await).await;
    assert_eq!(seen.sorted(), [0, 1, 2, 3]);
    Verdict::Kept
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "names.a_b", name = "underscored")]
struct Underscored {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "names.a.b", name = "dotted")]
struct Dotted {}

#[handler(group = "names")]
async fn underscored(_: Underscored) {}

#[handler(group = "names")]
async fn dotted(_: Dotted) {}

service! { One = "one" { handles: [underscored], publishes: [Underscored] } }
service! { Other = "other" { handles: [dotted], publishes: [Dotted] } }

#[handler(group = "sorted", order = key)]
async fn by_key(_: Placed) {}

#[handler(group = "sorted", order = none)]
async fn unordered(_: Placed) {}

service! { Ordered = "ordered" { handles: [by_key] } }
service! { Unordered = "unordered" { handles: [unordered] } }

async fn names(world: &World) -> Verdict {
    let nature = world.nature();
    let _one = world.stateless::<One>().await;
    let _ordered = world.stateless::<Ordered>().await;
    for (refused, must) in [
        (world.refuses::<Other>().await, nature.names_collide),
        (world.refuses::<Unordered>().await, nature.order_is_fixed),
    ] {
        match must {
            true => assert_eq!(refused.expect("it is refused").kind(), ErrorKind::Topology),
            false => assert!(refused.is_none(), "{refused:?}"),
        }
    }
    // A plan twice is a plan once.
    world.backend().provision(&Plan::default()).await.unwrap();
    if nature.names_collide || nature.order_is_fixed { Verdict::Kept } else { Verdict::NoTrap }
}
