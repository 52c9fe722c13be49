//! Schemas that no derive writes; an independent validator says what is read.

use serde_json::{Value, json};

use crate::row::{
    Row, Side,
    Verdict::{self, Breaks, Reads, Strict},
};

const UNDECIDED: &str =
    "nobody can tell what a pattern or a condition lets through, so that it counts as broken";

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "`anyOf` of a definition becomes the definition itself",
            (Reads, Reads),
            {
                let old =
                    json!({ "anyOf": [{ "$ref": "#/$defs/Id" }], "$defs": { "Id": { "type": "string" } } });
                (old, vec![json!("a")])
            },
            (json!({ "type": "string" }), vec![json!("a")]),
        ),
        row(
            "`multipleOf` 10 becomes 5",
            (Reads, Breaks),
            (json!({ "type": "integer", "multipleOf": 10 }), vec![json!(20)]),
            (json!({ "type": "integer", "multipleOf": 5 }), vec![json!(5)]),
        ),
        row(
            "`exclusiveMinimum` 0 of an integer becomes `minimum` 1",
            (Reads, Reads),
            (json!({ "type": "integer", "exclusiveMinimum": 0 }), vec![json!(1)]),
            (json!({ "type": "integer", "minimum": 1 }), vec![json!(1)]),
        ),
        row(
            "`exclusiveMinimum` 0 of a number becomes `minimum` 1",
            (Breaks, Reads),
            (json!({ "type": "number", "exclusiveMinimum": 0 }), vec![json!(0.5)]),
            (json!({ "type": "number", "minimum": 1 }), vec![json!(1)]),
        ),
        row(
            "`maxItems` is lowered",
            (Breaks, Reads),
            (json!({ "type": "array", "maxItems": 3 }), vec![json!([1, 2, 3])]),
            (json!({ "type": "array", "maxItems": 2 }), vec![json!([1, 2])]),
        ),
        row(
            "`const` becomes an `enum` with it",
            (Reads, Breaks),
            (json!({ "const": "a" }), vec![json!("a")]),
            (json!({ "enum": ["a", "b"] }), vec![json!("b")]),
        ),
        row(
            "anything becomes nothing",
            (Breaks, Reads),
            (json!({ "type": "object", "properties": { "note": true } }), vec![json!({ "note": 1 })]),
            (json!({ "type": "object", "properties": { "note": false } }), vec![json!({})]),
        ),
        row(
            "`oneOf` gets an alternative that what is written fits too",
            (Breaks, Breaks),
            (json!({ "type": "integer" }), vec![json!(7)]),
            (
                json!({ "oneOf": [{ "type": "integer" }, { "type": "number", "minimum": 5 }] }),
                vec![json!(5.5)],
            ),
        ),
        row(
            "`allOf` takes the fields of two definitions",
            (Reads, Reads),
            (
                json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "string" } }, "required": ["a", "b"] }),
                vec![json!({ "a": "", "b": "" })],
            ),
            (
                json!({
                    "allOf": [{ "$ref": "#/$defs/A" }, { "$ref": "#/$defs/B" }],
                    "unevaluatedProperties": false,
                    "$defs": {
                        "A": { "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] },
                        "B": { "type": "object", "properties": { "b": { "type": "string" } }, "required": ["b"] },
                    },
                }),
                vec![json!({ "a": "", "b": "" })],
            ),
        ),
        row(
            "a `pattern` is added",
            (Strict(UNDECIDED), Reads),
            (json!({ "type": "string", "minLength": 1 }), vec![json!("a")]),
            (json!({ "type": "string", "minLength": 1, "pattern": "." }), vec![json!("a")]),
        ),
        row(
            "a condition `if` is removed",
            (Reads, Strict(UNDECIDED)),
            (
                json!({ "if": { "type": "string" }, "then": { "minLength": 0 }, "type": "string" }),
                vec![json!("a")],
            ),
            (json!({ "type": "string" }), vec![json!("a")]),
        ),
    ]
}

fn row(
    change: &'static str,
    (writers, readers): (Verdict, Verdict),
    old: (Value, Vec<Value>),
    new: (Value, Vec<Value>),
) -> Row {
    let side = |(schema, messages): (Value, Vec<Value>)| Side::schema(schema, &messages);
    Row { change, writers, readers, old: side(old), new: side(new) }
}
