use serde_json::json;

use super::*;

/// What is wrong, a line for each place.
#[track_caller]
fn expect(schema: &Value, instance: &Value, wrong: &[&str]) {
    let found: Vec<_> = validate(schema, instance)
        .into_iter()
        .map(|Invalid { place, why }| format!("{place}: {why}"))
        .collect();
    assert_eq!(found, wrong, "{instance}");
}

#[test]
fn types_and_values() {
    let schema = json!({ "type": ["integer", "null"] });
    expect(&schema, &json!(1.0), &[]);
    expect(&schema, &json!(null), &[]);
    expect(&schema, &json!(1.5), &[": expected an integer or null, found 1.5"]);
    expect(&json!({ "const": { "a": 1 } }), &json!({ "a": 1.0 }), &[]);
    expect(&json!({ "enum": ["a", "b"] }), &json!("c"), &[r#": expected "a" or "b", found "c""#]);
    expect(&json!(false), &json!(1), &[": nothing may stand here, found 1"]);
    expect(&json!(true), &json!(1), &[]);
}

#[test]
fn numbers() {
    let schema = json!({ "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 });
    expect(&schema, &json!(256), &[": expected uint8 from 0 to 255, found 256"]);
    expect(
        &json!({ "format": "int64" }),
        &json!(u64::MAX),
        &[": expected int64 from -9223372036854775808 to 9223372036854775807, found 18446744073709551615"],
    );
    expect(&json!({ "format": "uint64" }), &json!(u64::MAX), &[]);
    expect(
        &json!({ "format": "double", "exclusiveMaximum": 1 }),
        &json!(1),
        &[": expected double less than 1, found 1"],
    );
    expect(&json!({ "multipleOf": 0.5 }), &json!(1.25), &[": expected a multiple of 0.5, found 1.25"]);
    expect(&json!({ "minimum": 5 }), &json!("a text is no number"), &[]);
}

#[test]
fn texts_and_arrays() {
    expect(&json!({ "maxLength": 2 }), &json!("äöü"), &[": expected 2 characters or fewer, found 3"]);
    expect(&json!({ "minLength": 1 }), &json!(""), &[": expected 1 character or more, found 0"]);
    expect(
        &json!({ "format": "date" }),
        &json!("now"),
        &[r#": expected a text of the format `date`, found "now""#],
    );
    let pair = json!({ "prefixItems": [{ "type": "string" }, { "type": "boolean" }], "items": false });
    expect(
        &pair,
        &json!(["a", 1, 2]),
        &["/1: expected a boolean, found 1", "/2: nothing may stand here, found 2"],
    );
    let set = json!({ "uniqueItems": true, "minItems": 3 });
    expect(
        &set,
        &json!([1, 1.0]),
        &[": expected 3 items or more, found 2", "/1: expected every item once, found 1.0 again, as at 0"],
    );
    let some = json!({ "contains": { "const": 1 }, "maxContains": 1 });
    expect(
        &some,
        &json!([2]),
        &[": expected 1 or more items that fit `contains`, and no more than 1, found 0"],
    );
    expect(&some, &json!([2, 1]), &[]);
}

#[test]
fn fields() {
    let schema = json!({
        "properties": { "id": { "type": "string" }, "size": { "type": "integer" } },
        "required": ["id"],
        "additionalProperties": false,
    });
    expect(
        &schema,
        &json!({ "id": 7, "siez": 1 }),
        &["/id: expected a string, found 7", "/siez: the field `siez` is not known; did you mean `size`?"],
    );
    expect(&schema, &json!({}), &[": the required field `id` is missing"]);
    let by_number =
        json!({ "patternProperties": { r"^\d+$": { "type": "string" } }, "additionalProperties": false });
    expect(
        &by_number,
        &json!({ "7": 1, "x": "" }),
        &["/7: expected a string, found 1", "/x: the field `x` is not known"],
    );
    let together = json!({ "dependentRequired": { "card": ["name"] } });
    expect(&together, &json!({ "card": 1 }), &[": with `card` the field `name` is required, and missing"]);
}

#[test]
fn what_no_part_has_looked_at() {
    let schema = json!({
        "$defs": { "Base": { "properties": { "id": {} } } },
        "$ref": "#/$defs/Base",
        "properties": { "own": {} },
        "oneOf": [
            { "properties": { "card": {} }, "required": ["card"] },
            { "properties": { "cash": {} }, "required": ["cash"] },
        ],
        "unevaluatedProperties": false,
    });
    expect(&schema, &json!({ "id": 1, "own": 1, "card": 1 }), &[]);
    expect(
        &schema,
        &json!({ "cash": 1, "card2": 1 }),
        &["/card2: the field `card2` is not known; known are `own`"],
    );
    let nested = json!({ "allOf": [{ "unevaluatedProperties": true }], "unevaluatedProperties": false });
    expect(&nested, &json!({ "a": 1 }), &[]);
}

#[test]
fn of_several_alternatives_the_one_that_was_meant_is_told() {
    let tagged = json!({ "oneOf": [
        { "properties": { "type": { "const": "card" }, "number": { "type": "string" } }, "required": ["type", "number"] },
        { "properties": { "type": { "const": "cash" } }, "required": ["type"] },
    ]});
    expect(&tagged, &json!({ "type": "card", "number": 7 }), &["/number: expected a string, found 7"]);
    expect(&tagged, &json!({ "type": "card" }), &[": the required field `number` is missing"]);
    expect(&tagged, &json!({ "type": "coin" }), &[r#"/type: expected "card" or "cash", found "coin""#]);
    let named = json!({ "oneOf": [
        { "type": "string", "enum": ["Free"] },
        { "type": "object", "properties": { "Card": { "type": "string" } }, "required": ["Card"], "additionalProperties": false },
    ]});
    expect(&named, &json!({ "Card": 7 }), &["/Card: expected a string, found 7"]);
    expect(&named, &json!("Paid"), &[r#": expected "Free", found "Paid""#]);
    let nullable = json!({ "anyOf": [{ "properties": { "id": { "type": "string" } } , "type": "object" }, { "type": "null" }] });
    expect(&nullable, &json!({ "id": 1 }), &["/id: expected a string, found 1"]);
    expect(
        &nullable,
        &json!(1),
        &[
            ": found 1, which fits none of 2 alternatives: expected an object, found 1; or expected null, found 1",
        ],
    );
    expect(
        &json!({ "oneOf": [{}, { "type": "string" }] }),
        &json!("a"),
        &[r#": expected what fits one alternative of `oneOf` alone, found "a", which fits 2"#],
    );
}

#[test]
fn conditions() {
    let schema =
        json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] }, "else": { "required": ["c"] } });
    expect(&schema, &json!({ "a": 1 }), &[": the required field `b` is missing"]);
    expect(&schema, &json!({}), &[": the required field `c` is missing"]);
    expect(
        &json!({ "not": { "type": "null" } }),
        &json!(null),
        &[": expected what does not fit `not`, found null"],
    );
}

#[test]
fn what_refers_to_itself_ends() {
    let tree = json!({ "type": "object", "properties": { "sub": { "type": "array", "items": { "$ref": "#" } }, "id": { "type": "string" } } });
    expect(
        &tree,
        &json!({ "sub": [{ "sub": [{ "id": 1 }] }] }),
        &["/sub/0/sub/0/id: expected a string, found 1"],
    );
    let circle = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "$ref": "#/$defs/B" }, "B": { "anyOf": [{ "$ref": "#/$defs/A" }] } } });
    expect(&circle, &json!(1), &[]);
    expect(
        &json!({ "$ref": "#/$defs/No" }),
        &json!(1),
        &[": the schema refers to `#/$defs/No`, which is not in it"],
    );
    let mut deep = json!({});
    for _ in 0..300 {
        deep = json!({ "sub": [deep] });
    }
    let wrong = validate(&tree, &deep);
    assert!(wrong.len() == 1 && wrong[0].why.contains("nested deeper than 256 levels"), "{wrong:?}");
}
