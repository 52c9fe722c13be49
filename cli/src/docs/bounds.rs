//! What a value must hold beside its type: bounds, lengths, patterns, and whatever else its schema says.

use maud::{Markup, html};
use serde_json::{Map, Value};

/// One for each rule; nothing that a schema says is left out, also where we have no words for it.
pub(super) fn of(schema: &Value) -> Vec<Markup> {
    let Value::Object(fields) = schema else { return Vec::new() };
    let mut rules = Vec::new();
    rules.extend(range(fields));
    rules.extend(count(fields, "minLength", "maxLength", "character", "characters"));
    if !fields.contains_key("prefixItems") {
        rules.extend(count(fields, "minItems", "maxItems", "item", "items"));
    }
    rules.extend(count(fields, "minProperties", "maxProperties", "entry", "entries"));
    for (keyword, value) in fields {
        rules.extend(match (keyword.as_str(), value) {
            (known, _) if SHOWN.contains(&known) => None,
            ("pattern", Value::String(pattern)) => Some(html! { "matches " code { (pattern) } }),
            ("format", Value::String(format)) => {
                (!fields.contains_key("type")).then(|| html! { "in the format " (format) })
            }
            ("multipleOf", step) => Some(html! { "a multiple of " (step) }),
            ("deprecated", Value::Bool(true)) => Some(html! { strong { "deprecated" } }),
            ("readOnly", Value::Bool(true)) => Some(html! { "read only" }),
            ("writeOnly", Value::Bool(true)) => Some(html! { "write only" }),
            ("contentEncoding", Value::String(encoding)) => Some(html! { "written as " (encoding) }),
            ("additionalProperties", Value::Bool(false)) => {
                fields.contains_key("properties").then(|| html! { "no other fields" })
            }
            ("additionalProperties", _) if !fields.contains_key("properties") => None,
            ("propertyNames", _) if fields.contains_key("additionalProperties") => None,
            ("deprecated" | "readOnly" | "writeOnly" | "uniqueItems", Value::Bool(_)) => None,
            ("additionalProperties" | "unevaluatedProperties" | "unevaluatedItems", Value::Bool(true)) => {
                None
            }
            (other, value) => Some(html! { code { (other) ": " (value.to_string()) } }),
        });
    }
    rules.extend(fields.get("default").map(|value| html! { "default " (super::words::literal(value)) }));
    rules
}

/// What the type, the table and the other rules show.
const SHOWN: [&str; 31] = [
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "allOf",
    "anyOf",
    "const",
    "default",
    "definitions",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "properties",
    "required",
    "title",
    "type",
];

fn range(fields: &Map<String, Value>) -> Option<Markup> {
    let format = fields.get("format").and_then(Value::as_str).unwrap_or_default();
    let said = INTEGERS.iter().find(|(name, ..)| *name == format);
    // What the format says already.
    let bound = |keyword: &str, said: Option<i128>| {
        fields.get(keyword).filter(|value| said.is_none() || value.to_string().parse().ok() != said)
    };
    let least = bound("minimum", said.map(|(_, least, _)| *least));
    let most = bound("maximum", said.map(|(_, _, most)| *most));
    let (above, below) = (fields.get("exclusiveMinimum"), fields.get("exclusiveMaximum"));
    let mut rules: Vec<Markup> = match (least, most) {
        (Some(least), Some(most)) => vec![html! { (least) " to " (most) }],
        (least, most) => {
            let least = least.map(|least| html! { "at least " (least) });
            least.into_iter().chain(most.map(|most| html! { "at most " (most) })).collect()
        }
    };
    rules.extend(above.map(|above| html! { "more than " (above) }));
    rules.extend(below.map(|below| html! { "less than " (below) }));
    let is_none = rules.is_empty();
    (!is_none).then(|| html! { @for (nth, rule) in rules.iter().enumerate() { @if nth > 0 { ", " } (rule) } })
}

/// Formats that are bounds, as schemars names them.
const INTEGERS: [(&str, i128, i128); 8] = [
    ("int8", i8::MIN as i128, i8::MAX as i128),
    ("int16", i16::MIN as i128, i16::MAX as i128),
    ("int32", i32::MIN as i128, i32::MAX as i128),
    ("int64", i64::MIN as i128, i64::MAX as i128),
    ("uint8", 0, u8::MAX as i128),
    ("uint16", 0, u16::MAX as i128),
    ("uint32", 0, u32::MAX as i128),
    ("uint64", 0, u64::MAX as i128),
];

fn count(fields: &Map<String, Value>, least: &str, most: &str, one: &str, many: &str) -> Option<Markup> {
    let noun = |count: &Value| if count.as_u64() == Some(1) { one.to_owned() } else { many.to_owned() };
    Some(match (fields.get(least), fields.get(most)) {
        (None, None) => return None,
        (Some(least), Some(most)) if least == most => html! { "exactly " (least) " " (noun(most)) },
        (Some(least), Some(most)) => html! { (least) " to " (most) " " (noun(most)) },
        (Some(least), None) => html! { "at least " (least) " " (noun(least)) },
        (None, Some(most)) => html! { "at most " (most) " " (noun(most)) },
    })
}
