//! From the keywords of a schema to shapes.

use serde_json::{Map, Value};

use super::{Array, Field, Kind, Labels, Numbers, Object, Part, Shape, Texts, Union, meet::meet};
use crate::{
    codec::ALWAYS_WRITTEN,
    schema::{
        document::Document,
        number::{Num, Range},
        validate,
    },
};

/// More alternatives of one part are not looked at. Two flattened enums multiply theirs.
const MOST: usize = 1_024;

/// What cannot be compared but with its like: two for every kind of value, one for texts, four for arrays, and the rest
/// for objects.
const OPAQUE: [&str; 12] = [
    "if",
    "not",
    "pattern",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
];

/// Nor what lies deeper in references and alternatives of the same value.
const DEEPEST: usize = 64;

type Keywords = Map<String, Value>;

pub(super) fn expand<'a>(document: Document<'a>, part: &Part<'a>) -> Union<'a> {
    let mut expansion = Expansion { document, following: Vec::new(), is_cut: false };
    let mut shapes = None;
    for schema in part.schemas() {
        let more = expansion.schema(schema);
        shapes = Some(match shapes {
            Some(shapes) => expansion.both(shapes, more),
            None => more,
        });
    }
    let shapes = shapes.unwrap_or_else(anything);
    Union { labels: Labels::of(&shapes, document), shapes, is_cut: expansion.is_cut }
}

struct Expansion<'a> {
    document: Document<'a>,
    /// The schemas that are being unfolded: one that leads back to itself says nothing.
    following: Vec<&'a Value>,
    is_cut: bool,
}

impl<'a> Expansion<'a> {
    fn schema(&mut self, schema: &'a Value) -> Vec<Shape<'a>> {
        let keywords = match schema {
            Value::Bool(false) => return Vec::new(),
            Value::Object(keywords) => keywords,
            _ => return anything(),
        };
        if self.following.iter().any(|other| std::ptr::eq(*other, schema)) {
            return anything();
        }
        if self.following.len() == DEEPEST {
            self.is_cut = true;
            return Vec::new();
        }
        self.following.push(schema);
        let mut shapes = self.own(schema, keywords);
        if let Some(meant) = keywords.get("$ref").and_then(Value::as_str) {
            let more = match self.document.resolve(meant) {
                Some(meant) => self.schema(meant),
                None => {
                    self.is_cut = true;
                    Vec::new()
                }
            };
            shapes = self.both(shapes, more);
        }
        for part in list(keywords, "allOf") {
            let more = self.schema(part);
            shapes = self.both(shapes, more);
        }
        for (keyword, is_choice) in [("anyOf", false), ("oneOf", true)] {
            let Some(alternatives) = keywords.get(keyword).and_then(Value::as_array) else { continue };
            let mut more = Vec::new();
            for (index, alternative) in alternatives.iter().enumerate() {
                let mut of_alternative = self.schema(alternative);
                if is_choice {
                    of_alternative.iter_mut().for_each(|shape| shape.choices.push((alternatives, index)));
                }
                more.extend(of_alternative);
            }
            shapes = self.both(shapes, more);
        }
        if let Some(rest) = keywords.get("unevaluatedProperties") {
            for shape in &mut shapes {
                if let Kind::Object(object) = &mut shape.kind {
                    object.rest.get_or_insert_with(|| Part::of(rest));
                }
            }
        }
        self.following.pop();
        shapes
    }

    /// What the keywords say that do not refer to other schemas of the same value.
    fn own(&self, schema: &'a Value, keywords: &'a Keywords) -> Vec<Shape<'a>> {
        match keywords.get("not") {
            Some(Value::Bool(true)) => return Vec::new(),
            Some(Value::Object(nothing)) if nothing.is_empty() => return Vec::new(),
            _ => {}
        }
        let values: Option<Vec<&Value>> = match (keywords.get("const"), keywords.get("enum")) {
            (Some(only), _) => Some(vec![only]),
            (None, Some(Value::Array(values))) => Some(values.iter().collect()),
            _ => None,
        };
        if let Some(values) = values {
            let allowed = values.into_iter().filter(|value| validate::fits(self.document, schema, value));
            return allowed
                .map(|value| plain(if value.is_null() { Kind::Null } else { Kind::Value(value) }))
                .collect();
        }
        let types = keywords.get("type");
        let is_named = |name: &str| match types {
            Some(Value::String(only)) => only == name,
            Some(Value::Array(several)) => several.iter().any(|one| one == name),
            _ => true,
        };
        let is_integer = !is_named("number") && is_named("integer");
        let is_typed = types.is_some();
        let has_opaque = keywords.keys().any(|name| OPAQUE.contains(&name.as_str()));
        let mut shapes = Vec::new();
        let mut add = |kind: Kind<'a>, opaque: &[&str]| {
            let mut shape = plain(kind);
            if has_opaque {
                shape.opaque = opaque_of(schema, keywords, opaque);
            }
            shapes.push(shape);
        };
        if is_named("null") {
            add(Kind::Null, &[]);
        }
        if is_named("boolean") {
            add(Kind::Boolean, &[]);
        }
        if is_named("number") || is_integer {
            add(Kind::Number(numbers(keywords, is_integer)), &[]);
        }
        if is_named("string") {
            add(Kind::Text(texts(keywords)), &["pattern"]);
        }
        if is_named("array") {
            add(Kind::Array(array(keywords)), &OPAQUE[3..7]);
        }
        if is_named("object") {
            add(Kind::Object(object(keywords, is_typed)), &OPAQUE[7..]);
        }
        shapes.retain(|shape| !matches!(&shape.kind, Kind::Number(numbers) if numbers.range.is_empty()));
        shapes
    }

    /// What both allow.
    fn both(&mut self, some: Vec<Shape<'a>>, more: Vec<Shape<'a>>) -> Vec<Shape<'a>> {
        let mut shapes = Vec::new();
        for one in &some {
            for other in &more {
                if shapes.len() == MOST {
                    self.is_cut = true;
                    return shapes;
                }
                shapes.extend(meet(self.document, one, other));
            }
        }
        shapes
    }
}

fn anything<'a>() -> Vec<Shape<'a>> {
    let kinds = [
        Kind::Null,
        Kind::Boolean,
        Kind::Number(Numbers::default()),
        Kind::Text(Texts::default()),
        Kind::Array(Array::default()),
        Kind::Object(Object::default()),
    ];
    kinds.map(plain).into()
}

const fn plain(kind: Kind<'_>) -> Shape<'_> {
    Shape { kind, choices: Vec::new(), opaque: Vec::new() }
}

/// What cannot be compared but with its like. A condition is taken with its branches.
fn opaque_of<'a>(schema: &'a Value, keywords: &'a Keywords, names: &[&str]) -> Vec<(&'a str, &'a Value)> {
    let mut opaque: Vec<(&str, &Value)> = Vec::new();
    for (name, value) in keywords {
        match name.as_str() {
            "if" => opaque.push((name, schema)),
            "not" => opaque.push((name, value)),
            other if names.contains(&other) => opaque.push((name, value)),
            _ => {}
        }
    }
    opaque
}

fn numbers(keywords: &Keywords, is_integer: bool) -> Numbers<'_> {
    let range = Range::of(keywords);
    Numbers {
        is_integer,
        range: if is_integer { range.of_integers() } else { range },
        units: keywords.get("multipleOf").and_then(Value::as_number).map(Num::of).into_iter().collect(),
        format: keywords.get("format").and_then(Value::as_str),
    }
}

fn texts(keywords: &Keywords) -> Texts<'_> {
    Texts {
        min: count(keywords, "minLength").unwrap_or(0),
        max: count(keywords, "maxLength"),
        formats: keywords.get("format").and_then(Value::as_str).into_iter().collect(),
    }
}

fn array(keywords: &Keywords) -> Array<'_> {
    let first: Vec<_> = list(keywords, "prefixItems").map(Part::of).collect();
    let rest = keywords.get("items");
    let mut max = count(keywords, "maxItems");
    if rest == Some(&Value::Bool(false)) {
        max = Some(max.map_or(first.len(), |max| max.min(first.len())));
    }
    Array {
        rest: rest.map(Part::of).unwrap_or_default(),
        first,
        min: count(keywords, "minItems").unwrap_or(0),
        max,
        is_unique: keywords.get("uniqueItems") == Some(&Value::Bool(true)),
    }
}

fn object(keywords: &Keywords, is_typed: bool) -> Object<'_> {
    let schemas = |keyword: &str| keywords.get(keyword).and_then(Value::as_object).into_iter().flatten();
    let rest = keywords.get("additionalProperties").map(Part::of);
    let mut object = Object {
        is_described: is_typed
            || rest.is_some()
            || keywords.contains_key("properties")
            || keywords.contains_key("required"),
        patterns: schemas("patternProperties")
            .map(|(pattern, schema)| (pattern.as_str(), Part::of(schema)))
            .collect(),
        fields: std::collections::BTreeMap::new(),
        rest,
    };
    for (name, schema) in schemas("properties") {
        object.fields.insert(name, Field { part: Part::of(schema), ..Field::default() });
    }
    for (keyword, is_required) in [("required", true), (ALWAYS_WRITTEN, false)] {
        for name in list(keywords, keyword).filter_map(Value::as_str) {
            let part = object.field(name).unwrap_or_default();
            let field = object.fields.entry(name).or_insert_with(|| Field { part, ..Field::default() });
            field.is_required |= is_required;
            field.is_always_written = true;
        }
    }
    object
}

fn list<'a>(keywords: &'a Keywords, keyword: &str) -> impl Iterator<Item = &'a Value> {
    keywords.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

fn count(keywords: &Keywords, keyword: &str) -> Option<usize> {
    keywords.get(keyword).and_then(Value::as_u64).and_then(|count| count.try_into().ok())
}
