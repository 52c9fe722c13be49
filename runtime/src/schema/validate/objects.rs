//! Objects: their fields, those that are missing, and those that nobody knows.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Check, Kind, list};
use crate::{
    nearest::nearest,
    schema::{document::Place, format},
};

type Fields = Map<String, Value>;

impl<'a> Check<'a> {
    pub(super) fn object(
        &mut self,
        keywords: &'a Fields,
        instance: &Value,
        fields: &Fields,
        place: Place<'_>,
    ) {
        self.count(keywords, ["minProperties", "maxProperties"], fields.len(), "field", place);
        for name in names(keywords, "required").filter(|name| !fields.contains_key(*name)) {
            self.wrong(place, Kind::Shape, format!("the required field `{name}` is missing"));
        }
        let dependent = keywords.get("dependentRequired").and_then(Value::as_object);
        for (name, needed) in dependent.into_iter().flatten().filter(|(name, _)| fields.contains_key(*name)) {
            let needed = needed.as_array().into_iter().flatten().filter_map(Value::as_str);
            for missing in needed.filter(|needed| !fields.contains_key(*needed)) {
                self.wrong(
                    place,
                    Kind::Other,
                    format!("with `{name}` the field `{missing}` is required, and missing"),
                );
            }
        }
        let known = Known::of(keywords);
        for (name, value) in fields {
            let place = place.field(name);
            let mut is_known = false;
            if let Some(schema) = known.properties.and_then(|properties| properties.get(name)) {
                is_known = true;
                self.value(schema, value, place);
            }
            for (pattern, schema) in known.patterns.into_iter().flatten() {
                match format::matches(pattern, name) {
                    Some(true) => {
                        is_known = true;
                        self.value(schema, value, place);
                    }
                    Some(false) => {}
                    // Nobody here can tell, so that the name is neither looked at nor refused.
                    None => is_known = true,
                }
            }
            match known.additional.filter(|_| !is_known) {
                Some(Value::Bool(false)) => self.unknown(name, known.properties, place),
                Some(schema) => self.value(schema, value, place),
                None => {}
            }
        }
        if let Some(schema) = keywords.get("unevaluatedProperties") {
            let mut evaluated = BTreeSet::new();
            self.evaluated(keywords, instance, fields, &mut evaluated);
            for (name, value) in fields.iter().filter(|(name, _)| !evaluated.contains(name.as_str())) {
                match schema {
                    Value::Bool(false) => self.unknown(name, known.properties, place.field(name)),
                    schema => self.value(schema, value, place.field(name)),
                }
            }
        }
    }

    fn unknown(&mut self, name: &str, properties: Option<&Fields>, place: Place<'_>) {
        let known: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let advice = match nearest(name, &known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if known.is_empty() || known.len() > 8 => String::new(),
            None => format!("; known are {}", list(known.iter().map(|name| format!("`{name}`")), "and")),
        };
        self.wrong(place, Kind::Shape, format!("the field `{name}` is not known{advice}"));
    }

    /// The fields that the keywords beside `unevaluatedProperties` look at, and whatever these refer to.
    fn evaluated<'f>(
        &mut self,
        keywords: &'a Fields,
        instance: &Value,
        fields: &'f Fields,
        into: &mut BTreeSet<&'f str>,
    ) {
        let known = Known::of(keywords);
        for name in fields.keys() {
            let by_pattern = known.patterns.into_iter().flatten();
            if known.additional.is_some()
                || known.properties.is_some_and(|properties| properties.contains_key(name))
                || by_pattern.into_iter().any(|(pattern, _)| format::matches(pattern, name) != Some(false))
            {
                into.insert(name);
            }
        }
        let reference = keywords.get("$ref").and_then(Value::as_str);
        if let Some(meant) = reference.and_then(|reference| self.document.resolve(reference)) {
            let here: (_, *const Value) = (meant, instance);
            if !self.followed.iter().any(|(schema, at)| std::ptr::eq(*schema, here.0) && *at == here.1) {
                self.followed.push(here);
                self.evaluated_by(meant, instance, fields, into);
                self.followed.pop();
            }
        }
        let list = |keyword| keywords.get(keyword).and_then(Value::as_array).into_iter().flatten();
        for part in list("allOf") {
            self.evaluated_by(part, instance, fields, into);
        }
        for part in list("anyOf").chain(list("oneOf")) {
            if self.fits(part, instance) {
                self.evaluated_by(part, instance, fields, into);
            }
        }
        if let Some(condition) = keywords.get("if") {
            let holds = self.fits(condition, instance);
            if holds {
                self.evaluated_by(condition, instance, fields, into);
            }
            if let Some(branch) = keywords.get(if holds { "then" } else { "else" }) {
                self.evaluated_by(branch, instance, fields, into);
            }
        }
    }

    fn evaluated_by<'f>(
        &mut self,
        schema: &'a Value,
        instance: &Value,
        fields: &'f Fields,
        into: &mut BTreeSet<&'f str>,
    ) {
        let Value::Object(keywords) = schema else { return };
        if keywords.contains_key("unevaluatedProperties") {
            into.extend(fields.keys().map(String::as_str));
        } else {
            self.evaluated(keywords, instance, fields, into);
        }
    }
}

/// What a schema says about fields by their names.
struct Known<'a> {
    properties: Option<&'a Fields>,
    patterns: Option<&'a Fields>,
    additional: Option<&'a Value>,
}

impl<'a> Known<'a> {
    fn of(keywords: &'a Fields) -> Self {
        Self {
            properties: keywords.get("properties").and_then(Value::as_object),
            patterns: keywords.get("patternProperties").and_then(Value::as_object),
            additional: keywords.get("additionalProperties"),
        }
    }
}

fn names<'a>(keywords: &'a Fields, keyword: &str) -> impl Iterator<Item = &'a str> {
    keywords.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
