//! A JSON Schema of draft 2020-12 as AsyncAPI's tools understand it.
//!
//! Without another word a schema there is of draft-07. Most of what events have means the same in both, or can be said in
//! both; what cannot stays as it is, and the document says that it is of draft 2020-12.

use serde_json::{Map, Value, json};

/// In which words a schema is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Draft-07, which AsyncAPI takes without another word.
    Plain,
    /// Draft 2020-12, which it has to be told.
    Wrapped,
}

/// What a keyword of draft 2020-12 is to draft-07.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// The same there.
    Nothing,
    /// Said otherwise there.
    Words,
    /// Nothing that could be said there.
    Draft,
}

const SUBSCHEMAS: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LISTS: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
const MAPS: [&str; 5] = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];

/// What the schema itself needs, whatever it refers to.
pub(super) fn need(schema: &Value) -> Need {
    let mut most = Need::Nothing;
    each(schema, &mut |fields| {
        let own = fields.keys().map(|name| match name.as_str() {
            "unevaluatedItems" | "unevaluatedProperties" | "minContains" | "maxContains" | "$dynamicRef" => {
                Need::Draft
            }
            "prefixItems" | "dependentRequired" | "dependentSchemas" => Need::Words,
            _ => Need::Nothing,
        });
        most = own.chain([most]).max().unwrap_or(most);
    });
    most
}

/// Calls `see` with every object that is a schema in it: values, as of `const` and `examples`, are none.
pub(super) fn each<'a>(schema: &'a Value, see: &mut impl FnMut(&'a Map<String, Value>)) {
    let Value::Object(fields) = schema else { return };
    see(fields);
    for (name, value) in fields {
        match value {
            Value::Object(inner) if MAPS.contains(&name.as_str()) => {
                inner.values().for_each(|schema| each(schema, see));
            }
            Value::Array(inner) if LISTS.contains(&name.as_str()) => {
                inner.iter().for_each(|schema| each(schema, see));
            }
            Value::Object(_) if SUBSCHEMAS.contains(&name.as_str()) => each(value, see),
            _ => {}
        }
    }
}

/// In the words of a form. `refer` says where a reference leads in the document.
pub(super) fn write(schema: &Value, form: Form, refer: &impl Fn(&str) -> String) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let again = |schema: &Value| write(schema, form, refer);
    let mut written = Map::new();
    let mut reference = None;
    for (name, value) in fields {
        let value = match (name.as_str(), value) {
            // What an id would be relative to, the document is.
            ("$schema" | "$id" | "$anchor" | "$dynamicAnchor", _) => continue,
            ("$ref", Value::String(to)) => {
                reference = Some(json!({"$ref": refer(to)}));
                continue;
            }
            (name, Value::Object(inner)) if MAPS.contains(&name) => {
                inner.iter().map(|(name, schema)| (name.clone(), again(schema))).collect()
            }
            (name, Value::Array(inner)) if LISTS.contains(&name) => inner.iter().map(again).collect(),
            (name, Value::Object(_)) if SUBSCHEMAS.contains(&name) => again(value),
            _ => value.clone(),
        };
        written.insert(name.clone(), value);
    }
    if form == Form::Plain {
        in_draft_07(&mut written);
    }
    match reference {
        // Tools leave out what stands beside a reference.
        Some(reference) if !written.is_empty() => {
            let all = written.entry("allOf").or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.insert(0, reference);
            }
            Value::Object(written)
        }
        Some(reference) => reference,
        None => Value::Object(written),
    }
}

/// Says otherwise what draft-07 says otherwise.
fn in_draft_07(fields: &mut Map<String, Value>) {
    if let Some(tuple) = fields.remove("prefixItems") {
        if let Some(rest) = fields.remove("items") {
            fields.insert("additionalItems".to_owned(), rest);
        }
        fields.insert("items".to_owned(), tuple);
    }
    let mut dependencies = Map::new();
    for name in ["dependentRequired", "dependentSchemas"] {
        let Some(Value::Object(inner)) = fields.remove(name) else { continue };
        for (property, needed) in inner {
            let needed = match (dependencies.remove(&property), needed) {
                (None, needed) => needed,
                (Some(names), schema) => json!({"allOf": [{"required": names}, schema]}),
            };
            dependencies.insert(property, needed);
        }
    }
    if !dependencies.is_empty() {
        fields.insert("dependencies".to_owned(), Value::Object(dependencies));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(schema: &Value) -> Value {
        write(schema, Form::Plain, &|to| format!("#/components/schemas{}", to.trim_start_matches("#/$defs")))
    }

    #[test]
    fn what_draft_07_says_otherwise_is_said_otherwise() {
        for (schema, expected) in [
            (
                json!({"prefixItems": [{"type": "string"}, true], "items": false}),
                json!({"items": [{"type": "string"}, true], "additionalItems": false}),
            ),
            (json!({"prefixItems": [true]}), json!({"items": [true]})),
            (
                json!({"dependentRequired": {"a": ["b"], "c": ["d"]}, "dependentSchemas": {"a": {"minProperties": 2}}}),
                json!({"dependencies": {"a": {"allOf": [{"required": ["b"]}, {"minProperties": 2}]}, "c": ["d"]}}),
            ),
            (json!({"$ref": "#/$defs/A"}), json!({"$ref": "#/components/schemas/A"})),
            (
                json!({"$ref": "#/$defs/A", "description": "b", "allOf": [true]}),
                json!({"allOf": [{"$ref": "#/components/schemas/A"}, true], "description": "b"}),
            ),
            (json!({"$schema": "x", "$id": "y", "type": "null"}), json!({"type": "null"})),
        ] {
            assert_eq!(plain(&schema), expected);
        }
    }

    #[test]
    fn values_are_left_alone() {
        let schema = json!({
            "const": {"$ref": "#/$defs/A", "prefixItems": []},
            "examples": [{"$id": 1}],
            "properties": {"$ref": {"type": "string"}, "prefixItems": {"type": "array"}},
            "default": {"properties": {"$schema": 1}},
        });
        assert_eq!(plain(&schema), schema);
        assert_eq!(need(&schema), Need::Nothing);
    }

    #[test]
    fn the_need_is_the_deepest() {
        assert_eq!(need(&json!({"properties": {"a": {"items": {"prefixItems": []}}}})), Need::Words);
        assert_eq!(
            need(&json!({"oneOf": [{"unevaluatedProperties": false}], "prefixItems": []})),
            Need::Draft
        );
    }
}
