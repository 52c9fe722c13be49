//! Enums, in each of serde's representations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::row::{
    Row, Side,
    Verdict::{Breaks, Reads, Strict},
    row,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = units();
    rows.extend(external());
    rows.extend(tagged());
    rows.extend(untagged());
    rows
}

fn units() -> Vec<Row> {
    vec![
        row! {
            "a unit variant is added": Reads, Breaks;
            { struct Order { size: Size } enum Size { S, M } } = [{ "size": "S" }, { "size": "M" }];
            { struct Order { size: Size } enum Size { S, M, L } } = [{ "size": "S" }, { "size": "L" }];
        },
        row! {
            "a unit variant is added, and the old type has `#[serde(other)]`":
                Reads, Strict("a schema does not show that `#[serde(other)]` reads any text");
            {
                struct Order { size: Size }
                enum Size { S, #[serde(other)] Unknown }
            } = [{ "size": "S" }, { "size": "Unknown" }];
            {
                struct Order { size: Size }
                enum Size { S, L, #[serde(other)] Unknown }
            } = [{ "size": "L" }];
        },
        row! {
            "a unit variant is removed": Breaks, Reads;
            { struct Order { size: Size } enum Size { S, M, L } } = [{ "size": "L" }];
            { struct Order { size: Size } enum Size { S, M } } = [{ "size": "S" }, { "size": "M" }];
        },
        row! {
            "a unit variant is renamed": Breaks, Breaks;
            { struct Order { size: Size } enum Size { Small, Large } } = [{ "size": "Large" }];
            { struct Order { size: Size } enum Size { Small, Big } } = [{ "size": "Big" }];
        },
        row! {
            "unit variants are documented, and change their order": Reads, Reads;
            { struct Order { size: Size } enum Size { S, M } } = [{ "size": "S" }, { "size": "M" }];
            {
                struct Order { size: Size }
                enum Size {
                    /// The larger one.
                    M,
                    /// The smaller one.
                    S,
                }
            } = [{ "size": "S" }, { "size": "M" }];
        },
        row! {
            "`bool` becomes an enum of unit variants": Breaks, Breaks;
            { struct Order { paid: bool } } = [{ "paid": true }];
            { struct Order { paid: Paid } enum Paid { Yes, No } } = [{ "paid": "Yes" }];
        },
    ]
}

fn external() -> Vec<Row> {
    vec![
        row! {
            "a variant with data is added": Reads, Breaks;
            { enum Order { Card { number: String }, Free } } = ["Free", { "Card": { "number": "4" } }];
            { enum Order { Card { number: String }, Cash(u32), Free } } = ["Free", { "Cash": 5 }];
        },
        row! {
            "a variant with data is removed": Breaks, Reads;
            { enum Order { Card { number: String }, Cash(u32) } } = [{ "Cash": 5 }];
            { enum Order { Card { number: String } } } = [{ "Card": { "number": "4" } }];
        },
        row! {
            "a variant gets an optional field": Reads, Reads;
            { enum Order { Card { number: String }, Free } } = [{ "Card": { "number": "4" } }];
            { enum Order { Card { number: String, name: Option<String> }, Free } } = [{ "Card": { "number": "4", "name": "n" } }];
        },
        row! {
            "a unit variant gets data": Breaks, Breaks;
            { enum Order { Card { number: String }, Free } } = ["Free"];
            { enum Order { Card { number: String }, Free { why: String } } } = [{ "Free": { "why": "w" } }];
        },
    ]
}

fn tagged() -> Vec<Row> {
    vec![
        row! {
            "a variant is added, `#[serde(tag = \"type\")]`": Reads, Breaks;
            {
                #[serde(tag = "type")]
                enum Order { Card { number: String }, Free }
            } = [{ "type": "Free" }, { "type": "Card", "number": "4" }];
            {
                #[serde(tag = "type")]
                enum Order { Card { number: String }, Cash { sum: u32 }, Free }
            } = [{ "type": "Free" }, { "type": "Cash", "sum": 5 }];
        },
        row! {
            "a variant gets a required field, `#[serde(tag = \"type\")]`": Breaks, Reads;
            {
                #[serde(tag = "type")]
                enum Order { Card { number: String }, Free }
            } = [{ "type": "Card", "number": "4" }];
            {
                #[serde(tag = "type")]
                enum Order { Card { number: String, name: String }, Free }
            } = [{ "type": "Free" }, { "type": "Card", "number": "4", "name": "n" }];
        },
        row! {
            "a variant holds a wider type, `#[serde(tag = \"type\")]`": Reads, Breaks;
            {
                #[serde(tag = "type")]
                enum Order { Card(Card), Free }
                struct Card { number: u8 }
            } = [{ "type": "Card", "number": 4 }];
            {
                #[serde(tag = "type")]
                enum Order { Card(Card), Free }
                struct Card { number: u16 }
            } = [{ "type": "Card", "number": 400 }];
        },
        row! {
            "the tag gets another name": Breaks, Breaks;
            { #[serde(tag = "type")] enum Order { Card { number: String } } } = [{ "type": "Card", "number": "4" }];
            { #[serde(tag = "kind")] enum Order { Card { number: String } } } = [{ "kind": "Card", "number": "4" }];
        },
        row! {
            "a variant is added, `#[serde(tag = \"type\", content = \"with\")]`": Reads, Breaks;
            {
                #[serde(tag = "type", content = "with")]
                enum Order { Card(String), Free }
            } = [{ "type": "Free" }, { "type": "Card", "with": "4" }];
            {
                #[serde(tag = "type", content = "with")]
                enum Order { Card(String), Cash(u32), Free }
            } = [{ "type": "Cash", "with": 5 }];
        },
        row! {
            "the content of a variant becomes another, `#[serde(tag = \"type\", content = \"with\")]`": Breaks, Breaks;
            { #[serde(tag = "type", content = "with")] enum Order { Card(String), Free } } = [{ "type": "Card", "with": "4" }];
            { #[serde(tag = "type", content = "with")] enum Order { Card(u32), Free } } = [{ "type": "Card", "with": 4 }];
        },
        row! {
            "`tag` alone becomes `tag` with `content`": Breaks, Breaks;
            { #[serde(tag = "type")] enum Order { Card { number: String } } } = [{ "type": "Card", "number": "4" }];
            {
                #[serde(tag = "type", content = "with")]
                enum Order { Card { number: String } }
            } = [{ "type": "Card", "with": { "number": "4" } }];
        },
        row! {
            "a variant is added to a flattened enum": Reads, Breaks;
            {
                struct Order { id: String, #[serde(flatten)] pay: Pay }
                #[serde(tag = "pay")]
                enum Pay { Card { number: String }, Free }
            } = [{ "id": "o-1", "pay": "Free" }];
            {
                struct Order { id: String, #[serde(flatten)] pay: Pay }
                #[serde(tag = "pay")]
                enum Pay { Card { number: String }, Cash { sum: u32 }, Free }
            } = [{ "id": "o-1", "pay": "Cash", "sum": 5 }];
        },
    ]
}

fn untagged() -> Vec<Row> {
    vec![
        row! {
            "an alternative is added, `#[serde(untagged)]`": Reads, Breaks;
            {
                struct Order { id: Id }
                #[serde(untagged)]
                enum Id { Text(String) }
            } = [{ "id": "o-1" }];
            {
                struct Order { id: Id }
                #[serde(untagged)]
                enum Id { Text(String), Number(u64) }
            } = [{ "id": "o-1" }, { "id": 7 }];
        },
        row! {
            "an alternative is removed, `#[serde(untagged)]`": Breaks, Reads;
            {
                #[serde(untagged)]
                enum Order { Card { number: String }, Cash { sum: u32 } }
            } = [{ "sum": 5 }];
            {
                #[serde(untagged)]
                enum Order { Card { number: String } }
            } = [{ "number": "4" }];
        },
        row! {
            "`String` becomes an untagged enum that has it": Reads, Breaks;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            {
                struct Order { id: Id }
                #[serde(untagged)]
                enum Id { Number(u64), Text(String) }
            } = [{ "id": 7 }];
        },
    ]
}
