//! On the wire: what a message carries arrives byte for byte, and receipts say where it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{ErrorKind, prelude::*};
use typebus_tests::{Placed, Seen, caught_up};

use crate::{
    trial::{Verdict, trials},
    world::World,
};

trials! { "On the wire":
    "payloads of 0, 1 and 900 K bytes, in bytes that are no text" => payloads, caught: [Truncates @ "memory"];
    "headers arrive byte for byte, or are refused by name" => headers, caught: [DropsHeaders @ "memory", SwallowsErrors @ "nats"];
    "two events with one id are two facts" [5] => one_id, caught: [DedupesById @ "memory"];
    "receipts and late groups are the broker's" => receipts, caught: [StartsLatest @ "memory"];
}

fn placed(number: u64) -> Placed {
    Placed { number, customer: format!("customer-{}", number % 7) }
}

#[derive(Clone, Default)]
struct Trail(Seen<String>);

#[derive(Clone, Default)]
struct Bytes(Seen<(Vec<u8>, OwnedHeaders)>);

type OwnedHeaders = Vec<(Vec<u8>, Vec<u8>)>;

#[handler(topic = "raw.bytes")]
async fn store(event: AnyEvent, bytes: State<Bytes>) {
    let headers = event.metadata().headers().map(|(name, value)| (name.to_vec(), value.to_vec()));
    bytes.0.push((event.payload().to_vec(), headers.collect()));
}

service! { Store = "store" { handles: [store], state: [Bytes] } }

async fn payloads(world: &World) -> Verdict {
    let bytes = Bytes::default();
    let running = world.process::<Store, _>(bytes.clone()).await.start().await;
    let foreign = world.foreign();
    let large: Vec<u8> = (0..900 * 1_024_u32).map(|n| n.to_le_bytes()[0]).collect();
    let payloads = [Vec::new(), vec![0], b"\xff\xfe".to_vec(), large];
    for payload in &payloads {
        let message = foreign.message("raw.bytes").key("one").header("ce_type", "raw.v1");
        message.payload(payload).send().await.unwrap();
    }
    caught_up(&running).await;
    let arrived: Vec<Vec<u8>> = bytes.0.all().into_iter().map(|(payload, _)| payload).collect();
    assert!(arrived == payloads, "{:?}", arrived.iter().map(Vec::len).collect::<Vec<_>>());
    Verdict::Kept
}

async fn headers(world: &World) -> Verdict {
    let bytes = Bytes::default();
    let running = world.process::<Store, _>(bytes.clone()).await.start().await;
    let (foreign, nature) = (world.foreign(), world.nature());
    type Headers<'a> = &'a [(&'a [u8], &'a [u8])];
    let all: [(Headers<'_>, bool); 6] = [
        (&[(b"plain", b"text"), (b"x-empty", b"")], true),
        (&[("channel".as_bytes(), "Büro".as_bytes())], true),
        (&[("größe".as_bytes(), b"x")], nature.any_names),
        (&[(b"raw", b"\xff\xfe\0")], nature.binary_values),
        (&[(b"\xff\xfe", b"x")], nature.any_bytes),
        (&[(b"again", b"1"), (b"again", b"2")], nature.repeated_names),
    ];
    let mut expected = Vec::new();
    for (headers, carried) in all {
        let message = foreign.message("raw.bytes").key("one").header("ce_type", "raw.v1");
        let sent = headers.iter().fold(message, |message, (name, value)| message.header(name, value));
        match sent.send().await {
            Ok(_) => expected.push(headers.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect::<Vec<_>>()),
            Err(error) => {
                assert!(!carried, "{error}");
                assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{error}");
            }
        }
    }
    caught_up(&running).await;
    let mut arrived: Vec<_> = bytes.0.all().into_iter().map(|(_, headers)| headers).collect();
    // A name that is no text is a dead letter: no handler sees it.
    expected.retain(|headers| headers.iter().all(|(name, _)| std::str::from_utf8(name).is_ok()));
    arrived.iter_mut().chain(&mut expected).for_each(|headers| headers.sort());
    assert_eq!(arrived, expected);
    Verdict::Kept
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.archived", key = customer)]
struct Archived {
    number: u64,
    customer: String,
}

#[derive(EventSet)]
enum Both {
    Placed(Placed),
    Archived(Archived),
}

#[handler]
async fn both(fact: Both, trail: State<Trail>) {
    trail.0.push(match fact {
        Both::Placed(order) => format!("placed {}", order.number),
        Both::Archived(order) => format!("archived {}", order.number),
    });
}

service! { Pairs = "pairs" { handles: [both], publishes: [Placed, Archived], state: [Trail] } }

async fn one_id(world: &World) -> Verdict {
    let trail = Trail::default();
    let process = world.process::<Pairs, _>(trail.clone()).await;
    process.bus.publish(&placed(1)).id("order-1").await.unwrap();
    process.bus.publish(&Archived { number: 1, customer: "ann".into() }).id("order-1").await.unwrap();
    caught_up(&process.start().await).await;
    assert_eq!(trail.0.sorted(), ["archived 1", "placed 1"]);
    Verdict::Kept
}

#[handler(topic = "shop.orders", group = "early")]
async fn early(_: AnyEvent) {}

#[handler(topic = "shop.orders", group = "late")]
async fn late(event: AnyEvent, trail: State<Trail>) {
    trail.0.push(event.metadata().id().to_owned());
}

service! { Early = "early" { handles: [early], publishes: [Placed] } }
service! { Late = "late" { handles: [late], publishes: [Placed], state: [Trail] } }

async fn receipts(world: &World) -> Verdict {
    let (nature, trail) = (world.nature(), Trail::default());
    let process = world.stateless::<Early>().await;
    let mut positions = Vec::new();
    for nth in 0..10 {
        let receipt = process.bus.publish(&placed(0)).id(format!("early-{nth}")).await.unwrap();
        assert_eq!(receipt.partition().is_some(), nature.partitioned);
        assert_eq!(receipt.id(), format!("early-{nth}"));
        positions.extend(receipt.position());
    }
    // Of one key they are in one partition, so that they rise; or the broker tells none.
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]), "{positions:?}");
    assert_eq!(positions.len(), if nature.positions { 10 } else { 0 });
    let process = world.process::<Late, _>(trail.clone()).await;
    process.bus.publish(&placed(0)).id("late").await.unwrap();
    caught_up(&process.start().await).await;
    let history = if nature.history { 10 } else { 0 };
    assert_eq!(trail.0.count(), history + 1, "{:?}", trail.0.all());
    Verdict::Kept
}
