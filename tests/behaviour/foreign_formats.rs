//! What foreign bytes can do to MessagePack and CBOR: nothing but become dead letters.

use std::{collections::BTreeMap, fmt};

use proptest::{collection::vec, prelude::*};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use typebus::{Cbor, Codec, MsgPack, Reason, prelude::*, testing::Foreign};
use typebus_tests::{Ends, broker, ends, letters, start};

use crate::{
    formats::{show, written},
    seeded,
};

/// Everything that serde has, nested in itself in each way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Tree {
    Leaf,
    Alone(Box<Self>),
    Pair(Box<Self>, Option<Box<Self>>),
    Named {
        inner: Vec<Self>,
        by_name: BTreeMap<String, Self>,
    },
    Text(String),
    Number(i64, u64, f64, bool, char),
    Small(i8, u16, f32, (), Unit, Newtype),
    Bytes(
        #[serde(with = "bytes")]
        #[schemars(with = "Vec<u8>")]
        Vec<u8>,
    ),
    Wide(u128, i128),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Unit;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Newtype(u32);

mod bytes {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl<'de> de::Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(bytes.to_vec())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }

        deserializer.deserialize_byte_buf(Bytes)
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Leaf),
        ".{0,40}".prop_map(Tree::Text),
        "[a-z]{5000}".prop_map(Tree::Text),
        (any::<i64>(), any::<u64>(), -1e300..1e300, any::<bool>(), any::<char>())
            .prop_map(|(a, b, c, d, e)| Tree::Number(a, b, c, d, e)),
        (any::<i8>(), any::<u16>(), -1e30_f32..1e30, any::<u32>()).prop_map(|(a, b, c, d)| Tree::Small(
            a,
            b,
            c,
            (),
            Unit,
            Newtype(d)
        )),
        vec(any::<u8>(), 0..300).prop_map(Tree::Bytes),
        (any::<u128>(), any::<i128>()).prop_map(|(a, b)| Tree::Wide(a, b)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Tree::Alone),
            (boxed.clone(), prop::option::of(boxed)).prop_map(|(a, b)| Tree::Pair(a, b)),
            (vec(inner.clone(), 0..4), prop::collection::btree_map(".{0,4}", inner, 0..4))
                .prop_map(|(inner, by_name)| Tree::Named { inner, by_name }),
        ]
    })
}

/// What is true of a format whatever the bytes.
fn survives<C: Codec<Tree> + Codec<Greedy>>(bytes: &[u8]) {
    let _ = <C as Codec<Tree>>::decode(bytes);
    let _ = <C as Codec<Greedy>>::decode(bytes);
}

proptest! {
    #![proptest_config(seeded::config(200))]

    #[test]
    fn what_is_written_is_read_and_nothing_of_it_can_be_missing_or_changed_unpunished(
        tree in tree(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let [mut msgpack, mut cbor] = [written::<MsgPack, _>(&tree), written::<Cbor, _>(&tree)];
        prop_assert_eq!(&<MsgPack as Codec<Tree>>::decode(&msgpack).unwrap(), &tree);
        prop_assert_eq!(&<Cbor as Codec<Tree>>::decode(&cbor).unwrap(), &tree);
        for bytes in [&mut msgpack, &mut cbor] {
            let at = at.index(bytes.len());
            prop_assert!(<MsgPack as Codec<Tree>>::decode(&[&bytes[..], &[0]].concat()).is_err());
            prop_assert!(<Cbor as Codec<Tree>>::decode(&[&bytes[..], &[0]].concat()).is_err());
            survives::<MsgPack>(&bytes[..at]);
            survives::<Cbor>(&bytes[..at]);
            bytes[at] = byte;
            survives::<MsgPack>(bytes);
            survives::<Cbor>(bytes);
        }
        prop_assert!(<MsgPack as Codec<Tree>>::decode(&written::<MsgPack, _>(&tree)[..at.index(msgpack.len())]).is_err());
        prop_assert!(<Cbor as Codec<Tree>>::decode(&written::<Cbor, _>(&tree)[..at.index(cbor.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        survives::<MsgPack>(&bytes);
        survives::<Cbor>(&bytes);
    }

    /// Bytes that are mostly headers of what nests.
    #[test]
    fn any_headers_are_read_or_refused(bytes in vec(prop_oneof![
        Just(0x81_u8), Just(0xa1), Just(0xc1), Just(0x9f), Just(0xbf), Just(0x5f), Just(0x7f), Just(0xff), Just(0xdd),
        Just(0xdf), Just(0x9b), Just(0xbb), Just(0xc9), Just(0x41), Just(0x61), Just(0), any::<u8>(),
    ], 0..60)) {
        survives::<MsgPack>(&bytes);
        survives::<Cbor>(&bytes);
    }
}

/// Believes every length that it is told, and would reserve as much.
#[derive(Debug, PartialEq, Serialize, JsonSchema, Event)]
#[event(topic = "shop.woods", name = "greedy.packed", format = "msgpack")]
struct Greedy(Vec<u8>);

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.woods", name = "greedy.sensed", format = "cbor")]
struct GreedySensed(Greedy);

/// The most that anybody could be made to reserve: more than any payload of these tests has.
const MOST: usize = 1_000_000;

impl<'de> Deserialize<'de> for Greedy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> de::Visitor<'de> for All {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                let hint = seq.size_hint().unwrap_or_default();
                assert!(hint < MOST, "{hint} were to be reserved");
                let mut all = Vec::with_capacity(hint);
                while let Some(item) = seq.next_element()? {
                    all.push(item);
                }
                Ok(all)
            }
        }

        deserializer.deserialize_seq(All).map(Self)
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.woods", name = "tree.packed", format = "msgpack")]
struct TreePacked(Tree);

#[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.woods", name = "tree.sensed", format = "cbor")]
struct TreeSensed(Tree);

#[handler(retry(attempts = 2, backoff = "1ms..1ms"))]
async fn climb(_: TreePacked) {}

#[handler(retry(attempts = 2, backoff = "1ms..1ms"))]
async fn smell(_: TreeSensed) {}

#[handler(retry(attempts = 2, backoff = "1ms..1ms"))]
async fn grab(_: Greedy) {}

#[handler(retry(attempts = 2, backoff = "1ms..1ms"))]
async fn grasp(_: GreedySensed) {}

service! { Woods = "woods" { handles: [climb, smell, grab, grasp], publishes: [TreePacked, TreeSensed, Greedy, GreedySensed] } }

#[tokio::test(start_paused = true)]
async fn foreign_bytes_neither_overflow_the_stack_nor_reserve_what_they_claim() {
    let url = broker();
    let bus = Bus::<Woods>::builder().connect(&url).await.unwrap();
    let foreign = Foreign::connect(&url).unwrap();
    let deep = |header: &[u8], times: usize| header.repeat(times);
    let nested = "nested deeper than 128 levels";
    let bad: Vec<(&str, Vec<u8>, &str)> = vec![
        // An enum in an enum in an enum: one that nests by what its reader makes of it.
        ("tree.packed", deep(b"\x81\xa5Alone", 100_000), nested),
        ("tree.sensed", deep(b"\xa1eAlone", 100_000), nested),
        ("tree.packed", deep(b"\x91", 500_000), nested),
        ("tree.sensed", deep(b"\x81", 500_000), nested),
        ("tree.sensed", deep(b"\x9f", 500_000), nested),
        ("tree.sensed", deep(b"\xc1", 500_000), nested),
        // In a field that nobody knows, too.
        ("tree.packed", [b"\x81\xa5Named\x81\xa1x", &deep(b"\x91", 100_000)[..]].concat(), nested),
        ("tree.sensed", [b"\xa1eNamed\xa1ax", &deep(b"\x81", 100_000)[..]].concat(), nested),
        // Lists, maps, text, bytes and extensions of billions.
        ("greedy.packed", b"\xdd\xff\xff\xff\xff\x01".to_vec(), "has 4294967295 items, and 1 bytes are left"),
        ("greedy.packed", b"\xdf\xff\xff\xff\xff\x01".to_vec(), "has 8589934590 items"),
        ("greedy.packed", b"\xdb\xff\xff\xff\xff\x01".to_vec(), "has 4294967295 bytes, and 1 are left"),
        ("greedy.packed", b"\xc6\xff\xff\xff\xff\x01".to_vec(), "has 4294967295 bytes"),
        ("greedy.packed", b"\xc9\xff\xff\xff\xff\x01".to_vec(), "has 4294967296 bytes"),
        (
            "greedy.sensed",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(),
            "has 18446744073709551615 items",
        ),
        (
            "greedy.sensed",
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(),
            "has 18446744073709551615 items",
        ),
        ("greedy.sensed", b"\x9a\x00\xff\xff\xff\x01".to_vec(), "has 16777215 items, and 1 bytes are left"),
        ("greedy.sensed", b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "bytes, and 1 are left"),
        ("greedy.sensed", b"\x5f\x5b\x7f\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "bytes, and 1 are left"),
        // What ends early, goes on, or is nothing.
        ("tree.packed", b"".to_vec(), "ends after 0 bytes"),
        ("tree.sensed", b"".to_vec(), "ends after 0 bytes"),
        ("tree.packed", b"\x81\xa5Alone".to_vec(), "ends after 7 bytes"),
        ("tree.sensed", b"\xa1eAlone".to_vec(), "ends after 7 bytes"),
        ("tree.packed", b"\xa4Leaf\xa4Leaf".to_vec(), "5 bytes follow"),
        ("tree.sensed", b"dLeafdLeaf".to_vec(), "5 bytes follow"),
        ("tree.packed", b"\xc1".to_vec(), "what begins at byte 0 is no value"),
        ("tree.sensed", b"\xff".to_vec(), "nothing is to end at byte 0"),
        ("tree.sensed", b"\x81\xff".to_vec(), "nothing is to end at byte 1"),
        ("tree.sensed", b"\x1c".to_vec(), "what begins at byte 0 is no value"),
        // What is well formed, and another thing.
        ("tree.packed", b"\xa4Leef".to_vec(), "Leef"),
        ("tree.sensed", b"dLeef".to_vec(), "Leef"),
        ("tree.packed", b"\x07".to_vec(), "TreePacked"),
        ("tree.sensed", b"\x07".to_vec(), "TreeSensed"),
        ("tree.packed", b"\x81\xa4Text\xa2\xff\xfe".to_vec(), "TreePacked"),
        ("tree.sensed", b"\xa1dTextb\xff\xfe".to_vec(), "TreeSensed"),
        ("tree.packed", br#"{"Text":"json"}"#.to_vec(), "14 bytes follow"),
        ("tree.sensed", br#"{"Text":"json"}"#.to_vec(), "bytes, and 6 are left"),
    ];
    for (name, payload, _) in &bad {
        let message = foreign.message("shop.woods").header("ce_type", format!("{name}.v1")).key("k");
        message.payload(payload).send().await.unwrap();
    }
    // As deep as is read.
    let deepest = (0..127).fold(Tree::Leaf, |inner, _| Tree::Alone(Box::new(inner)));
    bus.publish(&TreePacked(deepest.clone())).await.unwrap();
    bus.publish(&TreeSensed(deepest)).await.unwrap();
    bus.publish(&Greedy(vec![7; 100_000])).await.unwrap();
    bus.publish(&GreedySensed(Greedy(vec![7; 100_000]))).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(ends(&running), Ends { handled: 4, dead_lettered: bad.len() as u64, ..Ends::NONE });
    let letters = letters(&bus, "woods").await;
    for (name, payload, said) in &bad {
        let letter =
            letters.iter().find(|letter| letter.payload() == payload && letter.metadata().name() == *name);
        let letter = letter.unwrap_or_else(|| panic!("{name} {}", show(&payload[..payload.len().min(20)])));
        assert_eq!((letter.reason(), letter.attempts()), (Reason::Undecodable, 0), "{}", letter.error());
        assert!(letter.error().contains(said), "{said}: {}", letter.error());
    }
}
