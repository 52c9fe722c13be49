//! Whatever a value of an event serializes, its schema accepts, and an independent validator agrees. What nobody could
//! have written neither accepts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use proptest::{collection, option, prelude::*};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use typebus::{Codec, Json, schema::validate};
use uuid::Uuid;

use crate::seeded;

/// An event with everything that a derive knows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Rich {
    id: Uuid,
    at: DateTime<Utc>,
    day: NaiveDate,
    numbers: Numbers,
    grade: char,
    note: Option<String>,
    #[serde(default)]
    remark: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<u8>,
    #[serde(skip)]
    _seen: bool,
    enums: Enums,
    lists: Lists,
    tree: Tree,
    nothing: (),
    any: Value,
    #[serde(flatten)]
    line: Line,
    #[serde(flatten)]
    how: How,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Numbers {
    small: i8,
    byte: u8,
    signed: i64,
    unsigned: u64,
    float: f64,
    single: f32,
    is_paid: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Enums {
    size: Size,
    pay: Pay,
    tagged: Tagged,
    with: With,
    either: Either,
    maybe: Option<Pay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Size {
    Small,
    Medium,
    ExtraLarge,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
enum Pay {
    /// Nothing is to be paid.
    Free,
    Cash(u32),
    Card {
        number: String,
        name: Option<String>,
    },
    Split(u8, String),
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum Tagged {
    Empty,
    Line(Line),
    Inline { how_many: u16 },
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "with")]
enum With {
    Empty,
    Text(String),
    Line(Line),
    Inline { size: u16 },
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Either {
    Number(i32),
    Text(String),
    Inline { size: u16 },
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how")]
enum How {
    Post { zone: u8 },
    Pickup,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Line {
    sku: Sku,
    #[serde(rename = "count")]
    size: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Sku(String);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Lists {
    lines: Vec<Line>,
    set: BTreeSet<u16>,
    pair: (u8, String),
    fixed: [i16; 3],
    by_name: BTreeMap<String, Line>,
    by_number: BTreeMap<i32, bool>,
    by_size: BTreeMap<Size, i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Tree {
    name: String,
    below: Vec<Self>,
    next: Option<Box<Self>>,
}

#[test]
fn whatever_is_written_is_valid() {
    let schema = <Json as Codec<Rich>>::schema().unwrap();
    let independent = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    proptest!(seeded::config(200), |(event in rich())| {
        let mut bytes = Vec::new();
        <Json as Codec<Rich>>::encode(&event, &mut bytes).unwrap();
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(validate(&schema, &message), [], "{}", message);
        prop_assert!(independent.is_valid(&message), "{}", message);
        prop_assert!(<Json as Codec<Rich>>::decode(&bytes).is_ok());
    });
}

#[test]
fn what_nobody_could_have_written_is_not() {
    let schema = <Json as Codec<Rich>>::schema().unwrap();
    let independent = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let good = example();
    assert_eq!(validate(&schema, &good), []);
    assert!(independent.is_valid(&good));
    for (place, instead) in mutations() {
        let mut message = good.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        let parent = message.pointer_mut(parent).unwrap();
        match (parent, instead.clone()) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(name.to_owned(), value)),
            (Value::Object(fields), None) => drop(fields.remove(name).unwrap()),
            (Value::Array(items), Some(value)) if name == "-" => items.push(value),
            (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
            (parent, _) => panic!("{place}: {parent}"),
        }
        let wrong = validate(&schema, &message);
        assert!(!wrong.is_empty(), "{place} = {instead:?}");
        assert!(!independent.is_valid(&message), "{place} = {instead:?}");
        let bytes = message.to_string();
        assert!(<Json as Codec<Rich>>::decode(bytes.as_bytes()).is_err(), "{place} = {instead:?}");
        // It is told where it is, or in what it is missing.
        let is_near = |at: &str| place.starts_with(at) || at.starts_with(place);
        assert!(wrong.iter().any(|wrong| is_near(&wrong.place)), "{place} = {instead:?}: {wrong:?}");
    }
    assert!(mutations().len() >= 30);
}

/// Values of another kind than may stand at a place; without one it is taken away.
fn mutations() -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("/id", Some(json!("o-1"))),
        ("/id", None),
        ("/at", Some(json!("yesterday"))),
        ("/at", Some(json!(0))),
        ("/day", Some(json!("2026-02-30"))),
        ("/grade", Some(json!("AB"))),
        ("/note", Some(json!(1))),
        ("/remark", Some(json!(null))),
        ("/tags", Some(json!(["a", 1]))),
        ("/hint", Some(json!(256))),
        ("/numbers/small", Some(json!(128))),
        ("/numbers/byte", Some(json!(-1))),
        ("/numbers/signed", Some(json!("1"))),
        ("/numbers/unsigned", Some(json!(-1))),
        ("/numbers/unsigned", Some(json!(0.5))),
        ("/numbers/float", Some(json!(null))),
        ("/numbers/is_paid", Some(json!(1))),
        ("/numbers/other", Some(json!(1))),
        ("/numbers/byte", None),
        ("/enums/size", Some(json!("Small"))),
        ("/enums/pay", Some(json!("Cash"))),
        ("/enums/pay", Some(json!({ "Cash": 1, "Card": { "number": "4" } }))),
        ("/enums/pay", Some(json!({ "Card": { "name": "n" } }))),
        ("/enums/pay", Some(json!({ "Split": [1] }))),
        ("/enums/tagged/type", Some(json!("Another"))),
        ("/enums/tagged/howMany", None),
        ("/enums/tagged/howMany", Some(json!("1"))),
        ("/enums/with/with", Some(json!(7))),
        ("/enums/with/type", None),
        ("/enums/either", Some(json!({ "size": -1 }))),
        ("/enums/maybe", Some(json!({ "Cash": null }))),
        ("/lists/lines/0/count", None),
        ("/lists/lines/0/sku", Some(json!(["a"]))),
        ("/lists/pair/-", Some(json!(1))),
        ("/lists/fixed", Some(json!([1, 2]))),
        ("/lists/fixed/1", Some(json!(40_000))),
        ("/lists/by_name/a", Some(json!({}))),
        ("/lists/by_number/x", Some(json!(true))),
        ("/lists/by_number/7", Some(json!("true"))),
        ("/lists/by_size/huge", Some(json!(1))),
        ("/tree/below/0/next/name", None),
        ("/tree/next", Some(json!([]))),
        ("/nothing", Some(json!(0))),
        ("/sku", None),
        ("/how", Some(json!("Train"))),
        ("/zone", Some(json!(300))),
    ]
}

fn example() -> Value {
    json!({
        "id": "67e55044-10b1-426f-9247-bb680e5fe0c8",
        "at": "2026-03-01T12:00:00Z",
        "day": "2026-03-01",
        "numbers": { "small": -1, "byte": 1, "signed": -1, "unsigned": 1, "float": 0.5, "single": 0.5, "is_paid": true },
        "grade": "A",
        "note": null,
        "remark": "r",
        "enums": {
            "size": "extra_large",
            "pay": { "Card": { "number": "4" } },
            "tagged": { "type": "Inline", "howMany": 2 },
            "with": { "type": "Text", "with": "t" },
            "either": { "size": 1 },
            "maybe": "Free",
        },
        "lists": {
            "lines": [{ "sku": "a", "count": 1 }],
            "set": [1, 2],
            "pair": [1, "p"],
            "fixed": [1, 2, 3],
            "by_name": { "a": { "sku": "a", "count": 1 } },
            "by_number": { "-7": true },
            "by_size": { "small": 1 },
        },
        "tree": { "name": "t", "below": [{ "name": "u", "below": [], "next": { "name": "v", "below": [], "next": null } }], "next": null },
        "nothing": null,
        "any": [1, { "a": null }],
        "sku": "s",
        "count": 3,
        "how": "Post",
        "zone": 1,
    })
}

fn rich() -> impl Strategy<Value = Rich> {
    let times = (
        any::<u128>().prop_map(Uuid::from_u128),
        (0_i64..4_000_000_000, 0_u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap()),
        (0_i32..9_999, 1_u32..366).prop_map(|(year, day)| NaiveDate::from_yo_opt(year, day).unwrap()),
    );
    let texts =
        (any::<char>(), option::of(any::<String>()), any::<String>(), collection::vec(any::<String>(), 0..3));
    let others = (option::of(any::<u8>()), any::<bool>(), value(), line(), how());
    (times, numbers(), texts, enums(), lists(), tree(), others).prop_map(
        |(times, numbers, texts, enums, lists, tree, others)| {
            let ((id, at, day), (grade, note, remark, tags), (hint, seen, any, line, how)) =
                (times, texts, others);
            Rich {
                id,
                at,
                day,
                numbers,
                grade,
                note,
                remark,
                tags,
                hint,
                _seen: seen,
                enums,
                lists,
                tree,
                nothing: (),
                any,
                line,
                how,
            }
        },
    )
}

fn numbers() -> impl Strategy<Value = Numbers> {
    // JSON has no infinities.
    let floats = (proptest::num::f64::NORMAL | proptest::num::f64::ZERO, proptest::num::f32::NORMAL);
    (any::<(i8, u8, i64, u64, bool)>(), floats).prop_map(
        |((small, byte, signed, unsigned, is_paid), (float, single))| Numbers {
            small,
            byte,
            signed,
            unsigned,
            float,
            single,
            is_paid,
        },
    )
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![Just(Size::Small), Just(Size::Medium), Just(Size::ExtraLarge)]
}

fn pay() -> impl Strategy<Value = Pay> {
    prop_oneof![
        Just(Pay::Free),
        any::<u32>().prop_map(Pay::Cash),
        any::<(String, Option<String>)>().prop_map(|(number, name)| Pay::Card { number, name }),
        any::<(u8, String)>().prop_map(|(part, whose)| Pay::Split(part, whose)),
    ]
}

fn enums() -> impl Strategy<Value = Enums> {
    let tagged = prop_oneof![
        Just(Tagged::Empty),
        line().prop_map(Tagged::Line),
        any::<u16>().prop_map(|how_many| Tagged::Inline { how_many }),
    ];
    let with = prop_oneof![
        Just(With::Empty),
        any::<String>().prop_map(With::Text),
        line().prop_map(With::Line),
        any::<u16>().prop_map(|size| With::Inline { size }),
    ];
    let either = prop_oneof![
        any::<i32>().prop_map(Either::Number),
        any::<String>().prop_map(Either::Text),
        any::<u16>().prop_map(|size| Either::Inline { size }),
    ];
    (size(), pay(), tagged, with, either, option::of(pay()))
        .prop_map(|(size, pay, tagged, with, either, maybe)| Enums { size, pay, tagged, with, either, maybe })
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![any::<u8>().prop_map(|zone| How::Post { zone }), Just(How::Pickup)]
}

fn line() -> impl Strategy<Value = Line> {
    any::<(String, u32)>().prop_map(|(sku, size)| Line { sku: Sku(sku), size })
}

fn lists() -> impl Strategy<Value = Lists> {
    let maps = (
        collection::btree_map(any::<String>(), line(), 0..3),
        collection::btree_map(any::<i32>(), any::<bool>(), 0..3),
        collection::btree_map(size(), any::<i64>(), 0..3),
    );
    let lines = (collection::vec(line(), 0..3), collection::btree_set(any::<u16>(), 0..3));
    (lines, any::<((u8, String), [i16; 3])>(), maps).prop_map(
        |((lines, set), (pair, fixed), (by_name, by_number, by_size))| Lists {
            lines,
            set,
            pair,
            fixed,
            by_name,
            by_number,
            by_size,
        },
    )
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<String>().prop_map(|name| Tree { name, below: Vec::new(), next: None });
    leaf.prop_recursive(3, 12, 3, |tree| {
        (any::<String>(), collection::vec(tree.clone(), 0..3), option::of(tree.prop_map(Box::new)))
            .prop_map(|(name, below, next)| Tree { name, below, next })
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 3, |value| {
        prop_oneof![
            collection::vec(value.clone(), 0..3).prop_map(Value::from),
            collection::btree_map(any::<String>(), value, 0..3)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}
