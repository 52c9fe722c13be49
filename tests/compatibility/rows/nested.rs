//! Types inside of types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::row::{
    Row, Side,
    Verdict::{Breaks, Reads},
    row,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = structs();
    rows.extend(flattened());
    rows
}

fn structs() -> Vec<Row> {
    vec![
        row! {
            "a struct in a list gets a required field": Breaks, Reads;
            {
                struct Order { lines: Vec<Line> }
                struct Line { sku: String }
            } = [{ "lines": [{ "sku": "a" }] }];
            {
                struct Order { lines: Vec<Line> }
                struct Line { sku: String, size: u32 }
            } = [{ "lines": [{ "sku": "a", "size": 1 }] }];
        },
        row! {
            "a struct in an option gets an optional field": Reads, Reads;
            {
                struct Order { line: Option<Line> }
                struct Line { sku: String }
            } = [{ "line": null }, { "line": { "sku": "a" } }];
            {
                struct Order { line: Option<Line> }
                struct Line { sku: String, size: Option<u32> }
            } = [{ "line": null }, { "line": { "sku": "a", "size": 1 } }];
        },
        row! {
            "a type that holds itself gets an optional field": Reads, Reads;
            { struct Order { id: u8, parts: Vec<Self> } } = [{ "id": 1, "parts": [{ "id": 2, "parts": [] }] }];
            {
                struct Order { id: u8, parts: Vec<Self>, next: Option<Box<Self>> }
            } = [{ "id": 1, "parts": [], "next": { "id": 2, "parts": [], "next": null } }];
        },
        row! {
            "a field of a type that holds itself gets wider": Reads, Breaks;
            { struct Order { id: u8, parts: Vec<Self> } } = [{ "id": 1, "parts": [{ "id": 2, "parts": [] }] }];
            { struct Order { id: u16, parts: Vec<Self> } } = [{ "id": 1, "parts": [{ "id": 256, "parts": [] }] }];
        },
        row! {
            "a value goes into a `Box`": Reads, Reads;
            { struct Order { line: Line } struct Line { sku: String } } = [{ "line": { "sku": "a" } }];
            { struct Order { line: Box<Line> } struct Line { sku: String } } = [{ "line": { "sku": "a" } }];
        },
        row! {
            "`String` becomes `serde_json::Value`": Reads, Breaks;
            { struct Order { note: String } } = [{ "note": "n" }];
            { struct Order { note: Value } } = [{ "note": 1 }];
        },
        row! {
            "a struct becomes `serde_json::Value`": Reads, Breaks;
            { struct Order { line: Line } struct Line { sku: String } } = [{ "line": { "sku": "a" } }];
            { struct Order { line: Value } } = [{ "line": { "sku": 1 } }];
        },
    ]
}

fn flattened() -> Vec<Row> {
    vec![
        row! {
            "fields move into a struct with `#[serde(flatten)]`": Reads, Reads;
            { struct Order { id: String, sku: String, size: Option<u8> } } = [{ "id": "o-1", "sku": "a", "size": 1 }];
            {
                struct Order { id: String, #[serde(flatten)] line: Line }
                struct Line { sku: String, size: Option<u8> }
            } = [{ "id": "o-1", "sku": "a", "size": 1 }];
        },
        row! {
            "fields move into a struct without it": Breaks, Breaks;
            { struct Order { id: String, sku: String } } = [{ "id": "o-1", "sku": "a" }];
            {
                struct Order { id: String, line: Line }
                struct Line { sku: String }
            } = [{ "id": "o-1", "line": { "sku": "a" } }];
        },
        row! {
            "a flattened map takes what is not known": Reads, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            {
                struct Order { id: String, #[serde(flatten)] rest: BTreeMap<String, Value> }
            } = [{ "id": "o-1", "other": 1 }];
        },
        row! {
            "a field is added where any name could be before": Breaks, Breaks;
            {
                struct Order { id: String, #[serde(flatten)] rest: BTreeMap<String, String> }
            } = [{ "id": "o-1", "size": "large" }];
            {
                struct Order { id: String, size: Option<u8>, #[serde(flatten)] rest: BTreeMap<String, String> }
            } = [{ "id": "o-1", "size": 1 }];
        },
        row! {
            "a flattened struct gets a required field": Breaks, Reads;
            {
                struct Order { id: String, #[serde(flatten)] line: Line }
                struct Line { sku: String }
            } = [{ "id": "o-1", "sku": "a" }];
            {
                struct Order { id: String, #[serde(flatten)] line: Line }
                struct Line { sku: String, size: u8 }
            } = [{ "id": "o-1", "sku": "a", "size": 1 }];
        },
    ]
}
