use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

/// Each change as `place: what`, with who breaks: `<` those who write the old type, `>` those who read it.
fn changes(old: &Value, new: &Value) -> Vec<String> {
    let told = |change: Change| {
        let writers = change.breaks_writers.map(|why| format!(" < {why}")).unwrap_or_default();
        let readers = change.breaks_readers.map(|why| format!(" > {why}")).unwrap_or_default();
        format!("{}: {}{writers}{readers}", change.place, change.what)
    };
    compare(old, new).into_iter().map(told).collect()
}

fn order(fields: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": fields, "required": required })
}

#[test]
fn remarks_and_ways_of_writing_are_no_change() {
    let text = json!({ "type": "string" });
    let old = order(
        json!({ "id": text, "sub": { "type": "object", "properties": { "a": text }, "required": ["a"] } }),
        &["id"],
    );
    let new = json!({
        "$defs": { "Sub": { "type": "object", "title": "Sub", "properties": { "a": text }, "required": ["a"] } },
        "description": "An order",
        "allOf": [
            { "type": "object", "properties": { "id": text }, "required": ["id"] },
            { "type": "object", "properties": { "sub": { "$ref": "#/$defs/Sub", "description": "Below" } } },
        ],
    });
    assert_eq!(changes(&old, &new), [""; 0]);
    assert_eq!(changes(&new, &old), [""; 0]);
}

#[test]
fn fields_come_and_go() {
    let text = json!({ "type": "string" });
    let old = order(json!({ "id": text }), &["id"]);
    let optional = order(json!({ "id": text, "note": { "type": ["string", "null"] } }), &["id"]);
    let required = order(json!({ "id": text, "note": text }), &["id", "note"]);
    assert_eq!(changes(&old, &optional), ["/note: the field `note` is new"]);
    assert_eq!(
        changes(&old, &required),
        [
            "/note: the field `note` is new, and required < the old type never writes `note`, which the new type requires",
        ]
    );
    assert_eq!(
        changes(&optional, &required),
        ["/note: the field `note` became required; it may no longer be null \
         < the old type may leave `note` out, which the new type requires; it may be null, where the new type reads a text",]
    );
    let mut defaulted = order(json!({ "id": text, "note": text }), &["id"]);
    assert!(changes(&required, &defaulted)[0].contains("> the new type may leave `note` out"));
    defaulted["x-always-written"] = json!(["note"]);
    assert_eq!(
        changes(&required, &defaulted),
        ["/note: the field `note` became optional for those who write it elsewhere",]
    );
}

#[test]
fn a_field_under_another_name_is_recognised() {
    let price = json!({ "type": "integer", "format": "uint32", "minimum": 0 });
    let old = order(json!({ "total": price }), &["total"]);
    let new = order(json!({ "amount": price }), &["amount"]);
    let changes = changes(&old, &new);
    assert!(changes[0].starts_with(
        "/amount: the field `amount` is new, and required < the old type never writes `amount`"
    ));
    assert!(
        changes[0]
            .contains(r#"if it is `total` under another name, `#[serde(rename = "total")]` keeps that"#)
    );
    assert!(
        changes[1].starts_with("/total: the field `total` is gone > the new type never writes `total`"),
        "{changes:?}"
    );
}

#[test]
fn variants_are_compared_with_their_like() {
    let card = |number: &str| json!({ "type": "object", "properties": { "type": { "const": "card" }, "number": { "type": number } }, "required": ["type", "number"] });
    let cash =
        json!({ "type": "object", "properties": { "type": { "const": "cash" } }, "required": ["type"] });
    let old = json!({ "oneOf": [card("string"), cash] });
    let new = json!({ "oneOf": [cash, card("integer")] });
    assert_eq!(
        changes(&old, &new),
        ["/number: in an object whose `type` is \"card\", it was a text, and is an integer \
         < in an object whose `type` is \"card\", it may be a text, where the new type reads a number \
         > in an object whose `type` is \"card\", it may be a number, where the old type reads a text",]
    );
    assert_eq!(
        changes(&old, &json!({ "oneOf": [card("string")] })),
        [
            ": it may no longer be an object whose `type` is \"cash\" < it may be an object whose `type` is \"cash\", \
         where the new type reads an object whose `type` is \"card\"",
        ]
    );
}

#[test]
fn several_alternatives_of_a_choice_must_not_fit() {
    let old = json!({ "type": "integer" });
    let new = json!({ "oneOf": [{ "type": "integer" }, { "type": "number", "minimum": 5 }] });
    let changes = changes(&old, &new);
    assert!(
        changes[0]
            .contains("< it may fit several alternatives of a `oneOf`, of which the new type allows one"),
        "{changes:?}"
    );
    let small = json!({ "type": "integer", "maximum": 4 });
    assert!(compare(&small, &new).iter().all(|change| change.breaks_writers.is_none()));
}

#[test]
fn what_nobody_can_tell_counts_as_broken() {
    let old = json!({ "type": "string" });
    let new = json!({ "type": "string", "pattern": "^a" });
    assert_eq!(
        changes(&old, &new),
        [
            ": `pattern` is different < nobody can tell here whether it fits `pattern` of the new type, so that it counts as not read",
        ]
    );
    assert_eq!(
        changes(&new, &json!({ "type": "string", "pattern": "^a", "maxLength": 9 }))[0]
            .matches("pattern")
            .count(),
        0
    );
}

#[test]
fn a_type_that_holds_itself_is_compared_once() {
    let tree = |size: &str| {
        json!({
            "$ref": "#/$defs/Node",
            "$defs": { "Node": { "type": "object", "properties": {
                "size": { "type": size },
                "left": { "anyOf": [{ "$ref": "#/$defs/Node" }, { "type": "null" }] },
                "all": { "type": "array", "items": { "$ref": "#/$defs/Node" } },
            }, "required": ["size"] } },
        })
    };
    assert_eq!(changes(&tree("string"), &tree("string")), [""; 0]);
    assert_eq!(
        changes(&tree("integer"), &tree("number")),
        [
            "/left/size: it was an integer, and is a number > it may have a fraction, where the old type reads integers",
            "/size: it was an integer, and is a number > it may have a fraction, where the old type reads integers",
        ]
    );
    // The same types, with another way to hold themselves.
    let unfolded = json!({
        "type": "object",
        "properties": { "size": { "type": "integer" }, "left": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] }, "all": { "type": "array", "items": { "$ref": "#" } } },
        "required": ["size"],
    });
    assert_eq!(changes(&tree("integer"), &unfolded), [""; 0]);
}

/// A chain of definitions, each with two fields of the next: the paths double with each of them.
fn chain(length: usize, end: &str) -> Value {
    let next = |index: usize| json!({ "$ref": format!("#/$defs/D{}", index + 1) });
    let mut defs: serde_json::Map<_, _> = (0..length)
        .map(|index| (format!("D{index}"), order(json!({ "a": next(index), "b": next(index) }), &["a", "b"])))
        .collect();
    defs.insert(format!("D{length}"), json!({ "type": end }));
    json!({ "$ref": "#/$defs/D0", "$defs": defs })
}

#[test]
fn what_is_held_twice_is_compared_once() {
    let began = Instant::now();
    let changes = changes(&chain(100, "integer"), &chain(100, "number"));
    assert!(
        changes.iter().any(|change| change.contains("it was an integer, and is a number")),
        "{changes:?}"
    );
    // The path that is compared first, and beside each step of it the other field.
    assert_eq!(changes.len(), 101);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn what_is_endless_is_not_followed_for_ever() {
    let changes = changes(&chain(1_000, "integer"), &chain(1_000, "number"));
    assert!(changes.iter().any(|change| change.contains("it is too large to be compared")), "{changes:?}");
    let mut defs: serde_json::Map<_, _> = (0..10_000)
        .map(|index| {
            (format!("D{index}"), json!({ "allOf": [{ "$ref": format!("#/$defs/D{}", index + 1) }] }))
        })
        .collect();
    defs.insert("D10000".to_owned(), json!({ "type": "null" }));
    let nested = json!({ "$ref": "#/$defs/D0", "$defs": defs });
    assert!(compare(&nested, &json!({ "type": "null" }))[0].breaks_writers.is_some());
    let nowhere = json!({ "$ref": "#/$defs/Nowhere" });
    for (old, new) in [(&nowhere, &json!({ "type": "null" })), (&json!({ "type": "null" }), &nowhere)] {
        let change = &compare(old, new)[0];
        assert!(change.breaks_writers.is_some() && change.breaks_readers.is_some(), "{change:?}");
    }
}

#[test]
fn what_another_alternative_reads_is_told_nowhere() {
    let text = |max: u32| json!({ "type": "object", "properties": { "at": { "$ref": "#/$defs/At" } }, "required": ["at"], "maxProperties": max });
    let of = |size: &str, alternatives: Value| {
        json!({
            "$defs": { "At": { "type": "object", "properties": { "size": { "type": size } }, "required": ["size"] } },
            "type": "object",
            "properties": { "a": { "anyOf": alternatives }, "b": { "$ref": "#/$defs/At" } },
        })
    };
    let old = of("number", json!([text(1)]));
    let new = of("integer", json!([text(1), { "type": "object" }]));
    let changes = changes(&old, &new);
    assert!(
        changes
            .iter()
            .any(|change| change
                .contains("/b/size: it was a number, and is an integer < it may have a fraction")),
        "{changes:#?}"
    );
}

#[test]
fn two_hundred_events_take_no_time() {
    let event = |index: usize, size: &str| {
        let line = order(
            json!({ "sku": { "type": "string" }, "size": { "type": size, "format": "uint32" } }),
            &["sku", "size"],
        );
        let kinds: Vec<_> = (0..10).map(|kind| json!({ "type": "object", "properties": { "type": { "const": format!("k{kind}") }, "line": { "$ref": "#/$defs/Line" } }, "required": ["type"] })).collect();
        let mut event = order(
            json!({ "id": { "type": "string", "format": "uuid" }, "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" } }, "kind": { "oneOf": kinds } }),
            &["id"],
        );
        for field in 0..20 {
            event["properties"][format!("field_{index}_{field}")] = json!({ "type": ["string", "null"] });
        }
        event["$defs"] = json!({ "Line": line });
        event
    };
    let (old, new): (Vec<_>, Vec<_>) =
        (0..200).map(|index| (event(index, "integer"), event(index, "number"))).unzip();
    let began = Instant::now();
    let changes: usize = old.iter().zip(&new).map(|(old, new)| compare(old, new).len()).sum();
    println!("{changes} changes of 200 events in {:?}", began.elapsed());
    assert_eq!(changes, 600);
    // Far less in a release build; here it is enough that nothing is compared again and again.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
