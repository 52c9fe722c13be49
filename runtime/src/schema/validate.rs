//! Whether a message is what its schema says, and where it is not.

mod alternatives;
mod objects;
mod text;

use serde_json::{Map, Value};

pub(super) use self::text::{list, short};
use super::{
    Invalid,
    document::{Document, Place},
    format,
    number::{Num, Range, same},
};

/// What is nested deeper is not looked at: no stack is used up by a message or a schema.
const DEEPEST: usize = 256;

pub(super) fn validate(schema: &Value, instance: &Value) -> Vec<Invalid> {
    let mut check = Check::new(schema);
    check.value(schema, instance, Place::root());
    check.wrong.into_iter().map(|wrong| Invalid { place: wrong.place, why: wrong.why }).collect()
}

/// Whether a value is what a part of a schema says.
pub(super) fn fits(document: Document<'_>, schema: &Value, instance: &Value) -> bool {
    Check { document, wrong: Vec::new(), followed: Vec::new(), depth: 0 }.fits(schema, instance)
}

/// A walk through a schema and a message.
struct Check<'a> {
    document: Document<'a>,
    wrong: Vec<Wrong<'a>>,
    /// The references that are being followed, and at which value: one that leads back to itself says nothing.
    followed: Vec<(&'a Value, *const Value)>,
    depth: usize,
}

/// Where a message is wrong.
#[derive(Debug)]
struct Wrong<'a> {
    place: String,
    why: String,
    kind: Kind<'a>,
}

/// What is wrong there, as far as it tells which alternative was not meant.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind<'a> {
    /// One value is allowed there, and another was found.
    Const(&'a Value),
    /// It is of another type, or one of its fields is missing or unknown.
    Shape,
    Other,
}

impl<'a> Check<'a> {
    fn new(root: &'a Value) -> Self {
        Self { document: Document::new(root), wrong: Vec::new(), followed: Vec::new(), depth: 0 }
    }

    fn value(&mut self, schema: &'a Value, instance: &Value, place: Place<'_>) {
        match schema {
            Value::Bool(false) => {
                self.wrong(place, Kind::Shape, format!("nothing may stand here, found {}", short(instance)));
            }
            Value::Object(_) if self.depth == DEEPEST => {
                self.wrong(place, Kind::Other, format!("it is nested deeper than {DEEPEST} levels"));
            }
            Value::Object(keywords) => {
                self.depth += 1;
                self.keywords(schema, keywords, instance, place);
                self.depth -= 1;
            }
            _ => {}
        }
    }

    fn keywords(
        &mut self,
        schema: &'a Value,
        keywords: &'a Map<String, Value>,
        instance: &Value,
        place: Place<'_>,
    ) {
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            self.reference(schema, reference, instance, place);
        }
        if let Some(types) = keywords.get("type")
            && !types_of(types).any(|name| is_of_type(name, instance))
        {
            let why = format!(
                "expected {}, found {}",
                list(types_of(types).map(with_article), "or"),
                short(instance)
            );
            self.wrong(place, Kind::Shape, why);
        }
        if let Some(only) = keywords.get("const")
            && !same(only, instance)
        {
            self.wrong(
                place,
                Kind::Const(only),
                format!("expected {}, found {}", short(only), short(instance)),
            );
        }
        if let Some(Value::Array(allowed)) = keywords.get("enum")
            && !allowed.iter().any(|allowed| same(allowed, instance))
        {
            let why =
                format!("expected {}, found {}", list(allowed.iter().map(short), "or"), short(instance));
            self.wrong(place, Kind::Other, why);
        }
        match instance {
            Value::Number(number) => self.number(keywords, Num::of(number), place),
            Value::String(text) => self.text(keywords, text, place),
            Value::Array(items) => self.array(keywords, items, place),
            Value::Object(fields) => self.object(keywords, instance, fields, place),
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(keywords, instance, place);
    }

    /// `$ref`; what refers to itself without a step into the message is taken for fulfilled.
    fn reference(&mut self, schema: &'a Value, reference: &str, instance: &Value, place: Place<'_>) {
        let Some(meant) = self.document.resolve(reference) else {
            return self.wrong(
                place,
                Kind::Other,
                format!("the schema refers to `{reference}`, which is not in it"),
            );
        };
        let here: (_, *const Value) = (schema, instance);
        if self.followed.iter().rev().any(|(schema, at)| std::ptr::eq(*schema, here.0) && *at == here.1) {
            return;
        }
        self.followed.push(here);
        self.value(meant, instance, place);
        self.followed.pop();
    }

    fn number(&mut self, keywords: &'a Map<String, Value>, number: Num, place: Place<'_>) {
        let range = Range::of(keywords);
        if !range.contains(number) {
            let kind = keywords.get("format").and_then(Value::as_str).map_or("a number", |format| format);
            self.wrong(place, Kind::Other, format!("expected {kind} {range}, found {number}"));
        }
        if let Some(Value::Number(unit)) = keywords.get("multipleOf")
            && !number.is_multiple_of(Num::of(unit))
        {
            self.wrong(place, Kind::Other, format!("expected a multiple of {unit}, found {number}"));
        }
    }

    /// Lengths are counted in characters. `pattern` is not looked at.
    fn text(&mut self, keywords: &'a Map<String, Value>, text: &str, place: Place<'_>) {
        let shown = || short(&Value::from(text));
        if keywords.contains_key("minLength") || keywords.contains_key("maxLength") {
            let length = text.chars().count();
            self.count(keywords, ["minLength", "maxLength"], length, "character", place);
        }
        if let Some(Value::String(format)) = keywords.get("format")
            && !format::is_of(format, text)
        {
            self.wrong(
                place,
                Kind::Other,
                format!("expected a text of the format `{format}`, found {}", shown()),
            );
        }
    }

    fn array(&mut self, keywords: &'a Map<String, Value>, items: &[Value], place: Place<'_>) {
        self.count(keywords, ["minItems", "maxItems"], items.len(), "item", place);
        let prefix = keywords.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let rest = keywords.get("items");
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = prefix.get(index).or(rest) {
                self.value(schema, item, place.item(index));
            }
        }
        if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
            for (index, item) in items.iter().enumerate() {
                if let Some(first) = items[..index].iter().position(|earlier| same(earlier, item)) {
                    let why = format!("expected every item once, found {} again, as at {first}", short(item));
                    self.wrong(place.item(index), Kind::Other, why);
                    break;
                }
            }
        }
        if let Some(wanted) = keywords.get("contains") {
            let found = items.iter().filter(|item| self.fits(wanted, item)).count();
            let least = limit(keywords, "minContains").unwrap_or(1);
            let most = limit(keywords, "maxContains").unwrap_or(usize::MAX);
            if !(least..=most).contains(&found) {
                let why = format!(
                    "expected {least} or more items that fit `contains`, and no more than {most}, found {found}"
                );
                let why = if most == usize::MAX {
                    why.replace(&format!(", and no more than {most}"), "")
                } else {
                    why
                };
                self.wrong(place, Kind::Other, why);
            }
        }
    }

    fn count(
        &mut self,
        keywords: &Map<String, Value>,
        [min, max]: [&str; 2],
        found: usize,
        noun: &str,
        place: Place<'_>,
    ) {
        let many = |count: usize| if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") };
        if let Some(min) = limit(keywords, min).filter(|min| found < *min) {
            self.wrong(place, Kind::Other, format!("expected {} or more, found {found}", many(min)));
        }
        if let Some(max) = limit(keywords, max).filter(|max| found > *max) {
            self.wrong(place, Kind::Other, format!("expected {} or fewer, found {found}", many(max)));
        }
    }

    /// Whether a value is what a schema says; nothing is noted.
    fn fits(&mut self, schema: &'a Value, instance: &Value) -> bool {
        self.trial(schema, instance, Place::root()).is_empty()
    }

    /// What would be wrong.
    fn trial(&mut self, schema: &'a Value, instance: &Value, place: Place<'_>) -> Vec<Wrong<'a>> {
        let before = self.wrong.len();
        self.value(schema, instance, place);
        self.wrong.split_off(before)
    }

    fn wrong(&mut self, place: Place<'_>, kind: Kind<'a>, why: String) {
        self.wrong.push(Wrong { place: place.to_string(), why, kind });
    }
}

fn limit(keywords: &Map<String, Value>, name: &str) -> Option<usize> {
    match Num::of(keywords.get(name)?.as_number()?) {
        Num::Int(limit) => Some(usize::try_from(limit).unwrap_or(if limit < 0 { 0 } else { usize::MAX })),
        Num::Float(_) => None,
    }
}

/// The names in `type`, which is one or a list.
fn types_of(types: &Value) -> impl Iterator<Item = &str> {
    let several = types.as_array().map_or(&[][..], Vec::as_slice);
    types.as_str().into_iter().chain(several.iter().filter_map(Value::as_str))
}

fn is_of_type(name: &str, instance: &Value) -> bool {
    match (name, instance) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => Num::of(number).is_integer(),
        _ => false,
    }
}

fn with_article(name: &str) -> String {
    match name {
        "null" => "null".to_owned(),
        "array" | "integer" | "object" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

#[cfg(test)]
mod tests;
