//! Fields of a struct.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::row::{
    Row, Side,
    Verdict::{Breaks, Reads, Strict},
    row,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = come_and_go();
    rows.extend(required_or_not());
    rows.extend(names());
    rows.extend(unknown());
    rows
}

fn come_and_go() -> Vec<Row> {
    vec![
        row! {
            "a field `note: Option<String>` is added": Reads, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            { struct Order { id: String, note: Option<String> } } = [{ "id": "o-1" }, { "id": "o-1", "note": "n" }];
        },
        row! {
            "a field `note: String` is added": Breaks, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            { struct Order { id: String, note: String } } = [{ "id": "o-1", "note": "n" }];
        },
        row! {
            "a field `note: String` with `#[serde(default)]` is added": Reads, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            { struct Order { id: String, #[serde(default)] note: String } } = [{ "id": "o-1" }, { "id": "o-1", "note": "n" }];
        },
        row! {
            "a field `note: Option<String>` is removed": Reads, Reads;
            { struct Order { id: String, note: Option<String> } } = [{ "id": "o-1" }, { "id": "o-1", "note": "n" }];
            { struct Order { id: String } } = [{ "id": "o-1" }];
        },
        row! {
            "a field `note: String` is removed": Reads, Breaks;
            { struct Order { id: String, note: String } } = [{ "id": "o-1", "note": "n" }];
            { struct Order { id: String } } = [{ "id": "o-1" }];
        },
        row! {
            "a field `note: String` with `#[serde(default)]` is removed": Reads, Reads;
            { struct Order { id: String, #[serde(default)] note: String } } = [{ "id": "o-1", "note": "n" }];
            { struct Order { id: String } } = [{ "id": "o-1" }];
        },
        row! {
            "a field with `#[serde(skip)]` is added": Reads, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            { struct Order { id: String, #[serde(skip)] _seen: bool } } = [{ "id": "o-1" }];
        },
        row! {
            "the type of a field becomes another: `String`, `bool`": Breaks, Breaks;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            { struct Order { id: bool } } = [{ "id": true }];
        },
        row! {
            "fields change their order, or their documentation": Reads, Reads;
            { struct Order { id: String, note: String } } = [{ "id": "o-1", "note": "n" }];
            {
                /// An order.
                struct Order {
                    /// What is to be known.
                    note: String,
                    id: String,
                }
            } = [{ "id": "o-1", "note": "n" }];
        },
    ]
}

fn required_or_not() -> Vec<Row> {
    vec![
        row! {
            "`Option<String>` becomes `String`": Breaks, Reads;
            { struct Order { note: Option<String> } } = [{ "note": null }, { "note": "n" }];
            { struct Order { note: String } } = [{ "note": "n" }];
        },
        row! {
            "`String` becomes `Option<String>`, which may be `null`": Reads, Breaks;
            { struct Order { note: String } } = [{ "note": "n" }];
            { struct Order { note: Option<String> } } = [{ "note": null }, { "note": "n" }];
        },
        row! {
            "`String` becomes `Option<String>` with `skip_serializing_if`, which may be missing": Reads, Breaks;
            { struct Order { note: String } } = [{ "note": "n" }];
            { struct Order { #[serde(skip_serializing_if = "Option::is_none")] note: Option<String> } } = [{}, { "note": "n" }];
        },
        row! {
            "a required field gets `#[serde(default)]`, and is still always written": Reads, Reads;
            { struct Order { note: String } } = [{ "note": "n" }];
            { struct Order { #[serde(default)] note: String } } = [{}, { "note": "n" }];
        },
        row! {
            "a required field gets `#[serde(default, skip_serializing_if = ..)]`": Reads, Breaks;
            { struct Order { note: String } } = [{ "note": "n" }];
            { struct Order { #[serde(default, skip_serializing_if = "String::is_empty")] note: String } } = [{}, { "note": "n" }];
        },
        row! {
            "a field loses its `#[serde(default)]`": Reads, Reads;
            { struct Order { #[serde(default)] note: String } } = [{}, { "note": "n" }];
            { struct Order { note: String } } = [{ "note": "n" }];
        },
        row! {
            "a field loses its `#[serde(default, skip_serializing_if = ..)]`": Breaks, Reads;
            { struct Order { #[serde(default, skip_serializing_if = "String::is_empty")] note: String } } = [{}, { "note": "n" }];
            { struct Order { note: String } } = [{ "note": "n" }];
        },
        row! {
            "`Option<String>` gets `skip_serializing_if`": Reads, Reads;
            { struct Order { note: Option<String> } } = [{ "note": null }, { "note": "n" }];
            { struct Order { #[serde(skip_serializing_if = "Option::is_none")] note: Option<String> } } = [{}, { "note": "n" }];
        },
        row! {
            "`Option<String>` becomes `String` with `#[serde(default)]`, which is no `null`": Breaks, Reads;
            { struct Order { note: Option<String> } } = [{ "note": null }, { "note": "n" }];
            { struct Order { #[serde(default)] note: String } } = [{ "note": "n" }];
        },
    ]
}

fn names() -> Vec<Row> {
    vec![
        row! {
            "a field is renamed": Breaks, Breaks;
            { struct Order { total: u32 } } = [{ "total": 7 }];
            { struct Order { amount: u32 } } = [{ "amount": 7 }];
        },
        row! {
            "a field is renamed in Rust, with `#[serde(rename = \"total\")]`": Reads, Reads;
            { struct Order { total: u32 } } = [{ "total": 7 }];
            { struct Order { #[serde(rename = "total")] amount: u32 } } = [{ "total": 7 }];
        },
        row! {
            "a field is renamed, with `#[serde(alias = \"total\")]`": Strict("an alias does not show in a schema"), Breaks;
            { struct Order { total: u32 } } = [{ "total": 7 }];
            { struct Order { #[serde(alias = "total")] amount: u32 } } = [{ "amount": 7 }];
        },
        row! {
            "the type is renamed": Reads, Reads;
            {
                struct Order { line: Line }
                struct Line { size: u8 }
            } = [{ "line": { "size": 1 } }];
            {
                #[schemars(title = "Purchase")] struct Order { line: Item }
                struct Item { size: u8 }
            } = [{ "line": { "size": 1 } }];
        },
    ]
}

fn unknown() -> Vec<Row> {
    vec![
        row! {
            "`#[serde(deny_unknown_fields)]` is added": Reads, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            { #[serde(deny_unknown_fields)] struct Order { id: String } } = [{ "id": "o-1" }];
        },
        row! {
            "`#[serde(deny_unknown_fields)]` is removed": Reads, Reads;
            { #[serde(deny_unknown_fields)] struct Order { id: String } } = [{ "id": "o-1" }];
            { struct Order { id: String } } = [{ "id": "o-1" }];
        },
        row! {
            "a field is added, where the old type has `deny_unknown_fields`": Reads, Breaks;
            { #[serde(deny_unknown_fields)] struct Order { id: String } } = [{ "id": "o-1" }];
            { #[serde(deny_unknown_fields)] struct Order { id: String, note: Option<String> } } = [{ "id": "o-1" }];
        },
        row! {
            "a field is removed, where the new type has `deny_unknown_fields`": Breaks, Reads;
            { struct Order { id: String, note: Option<String> } } = [{ "id": "o-1", "note": "n" }];
            { #[serde(deny_unknown_fields)] struct Order { id: String } } = [{ "id": "o-1" }];
        },
    ]
}
