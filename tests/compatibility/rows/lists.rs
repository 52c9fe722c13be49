//! Lists, sets, tuples and maps.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    checked,
    row::{
        Row, Side,
        Verdict::{Breaks, Reads, Strict},
        row,
    },
};

const TWICE: &str = "a set reads an item that is there twice, and the schema forbids it";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = lists();
    rows.extend(tuples());
    rows.extend(maps());
    rows
}

fn lists() -> Vec<Row> {
    vec![
        row! {
            "`T` becomes `Vec<T>`": Breaks, Breaks;
            { struct Order { sku: String } } = [{ "sku": "a" }];
            { struct Order { sku: Vec<String> } } = [{ "sku": ["a"] }];
        },
        row! {
            "the items of a list get wider: `Vec<u8>`, `Vec<u32>`": Reads, Breaks;
            { struct Order { sizes: Vec<u8> } } = [{ "sizes": [] }, { "sizes": [1, 255] }];
            { struct Order { sizes: Vec<u32> } } = [{ "sizes": [256] }];
        },
        row! {
            "`Vec<u8>` becomes `BTreeSet<u8>`": Strict(TWICE), Reads;
            { struct Order { sizes: Vec<u8> } } = [{ "sizes": [1, 1] }];
            { struct Order { sizes: BTreeSet<u8> } } = [{ "sizes": [1, 2] }];
        },
        row! {
            "a list must have an item, checked by `#[serde(try_from = ..)]`": Breaks, Reads;
            { struct Order { sizes: Vec<u8> } } = [{ "sizes": [] }];
            { struct Order { sizes: checked::Some } } = [{ "sizes": [1] }];
        },
        row! {
            "`[u8; 2]` becomes `Vec<u8>`": Reads, Breaks;
            { struct Order { sizes: [u8; 2] } } = [{ "sizes": [1, 2] }];
            { struct Order { sizes: Vec<u8> } } = [{ "sizes": [1] }, { "sizes": [1, 2, 3] }];
        },
    ]
}

fn tuples() -> Vec<Row> {
    vec![
        row! {
            "a tuple gets an item: `(u8, String)`, `(u8, String, bool)`": Breaks, Breaks;
            { struct Order { line: (u8, String) } } = [{ "line": [1, "a"] }];
            { struct Order { line: (u8, String, bool) } } = [{ "line": [1, "a", true] }];
        },
        row! {
            "an item of a tuple gets wider: `(u8, String)`, `(u32, String)`": Reads, Breaks;
            { struct Order { line: (u8, String) } } = [{ "line": [1, "a"] }];
            { struct Order { line: (u32, String) } } = [{ "line": [256, "a"] }];
        },
        row! {
            "`(u8, u8)` becomes `[u8; 2]`": Reads, Reads;
            { struct Order { size: (u8, u8) } } = [{ "size": [1, 2] }];
            { struct Order { size: [u8; 2] } } = [{ "size": [1, 2] }];
        },
        row! {
            "a tuple becomes a struct": Strict("serde reads a struct from an array too, which no schema shows"), Breaks;
            { struct Order { line: (u8, String) } } = [{ "line": [1, "a"] }];
            {
                struct Order { line: Line }
                struct Line { size: u8, sku: String }
            } = [{ "line": { "size": 1, "sku": "a" } }];
        },
    ]
}

fn maps() -> Vec<Row> {
    vec![
        row! {
            "the values of a map get wider: `u8`, `u32`": Reads, Breaks;
            { struct Order { sizes: BTreeMap<String, u8> } } = [{ "sizes": { "a": 255 } }];
            { struct Order { sizes: BTreeMap<String, u32> } } = [{ "sizes": { "a": 256 } }];
        },
        row! {
            "the keys of a map get wider: `u32`, `i64`": Reads, Breaks;
            { struct Order { sizes: BTreeMap<u32, u8> } } = [{ "sizes": { "7": 1 } }];
            { struct Order { sizes: BTreeMap<i64, u8> } } = [{ "sizes": { "7": 1, "-7": 1 } }];
        },
        row! {
            "the keys of a map become any text: `u32`, `String`": Reads, Breaks;
            { struct Order { sizes: BTreeMap<u32, u8> } } = [{ "sizes": { "7": 1 } }];
            { struct Order { sizes: BTreeMap<String, u8> } } = [{ "sizes": { "a": 1 } }];
        },
        row! {
            "the enum of a map's keys gets a variant": Reads, Breaks;
            {
                struct Order { sizes: BTreeMap<Key, u8> }
                #[derive(PartialEq, Eq, PartialOrd, Ord)]
                enum Key { A, B }
            } = [{ "sizes": { "A": 1 } }];
            {
                struct Order { sizes: BTreeMap<Key, u8> }
                #[derive(PartialEq, Eq, PartialOrd, Ord)]
                enum Key { A, B, C }
            } = [{ "sizes": { "C": 1 } }];
        },
        row! {
            "a struct becomes a map of all that it had": Reads, Breaks;
            {
                struct Order { line: Line }
                struct Line { sku: String, name: String }
            } = [{ "line": { "sku": "a", "name": "n" } }];
            { struct Order { line: BTreeMap<String, String> } } = [{ "line": {} }];
        },
        row! {
            "a map becomes a struct of optional fields":
                Reads, Strict("a schema does not show that an `Option` is left out and never `null`");
            { struct Order { line: BTreeMap<String, String> } } = [{ "line": { "sku": "a", "other": "o" } }];
            {
                struct Order { line: Line }
                struct Line { #[serde(skip_serializing_if = "Option::is_none")] sku: Option<String> }
            } = [{ "line": {} }, { "line": { "sku": "a" } }];
        },
    ]
}
