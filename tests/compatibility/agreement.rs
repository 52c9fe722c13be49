//! Our validator and an independent one agree on whatever schema and value.

use std::cell::Cell;

use fastrand::Rng;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use typebus::schema::validate;

use crate::seeded;

#[test]
fn an_independent_validator_agrees() {
    let (valid, invalid) = (Cell::new(0_u32), Cell::new(0_u32));
    let mut runner = proptest::test_runner::TestRunner::new(seeded::config(1_000));
    let agrees = runner.run(&any::<u64>(), |seed| {
        let mut make = Make(Rng::with_seed(seed));
        let schema = make.document();
        let independent = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for _ in 0..8 {
            let value = make.like(&schema, &schema, 4);
            let (own, other) = (validate(&schema, &value), independent.is_valid(&value));
            let count = if other { &valid } else { &invalid };
            count.set(count.get() + 1);
            prop_assert_eq!(own.is_empty(), other, "seed {}: {} in {}: {:?}", seed, value, schema, own);
        }
        Ok(())
    });
    if let Err(wrong) = agrees {
        panic!("{wrong}");
    }
    // Neither says always the same.
    let (valid, invalid) = (valid.get(), invalid.get());
    assert!(valid > 500 && invalid > 500, "{valid} valid, {invalid} invalid");
}

/// Schemas and values, from small vocabularies, so that they often meet.
struct Make(Rng);

const NAMES: [&str; 5] = ["a", "b", "c", "7", "-7"];
const FORMATS: [&str; 5] = ["uuid", "date", "date-time", "ipv4", "ipv6"];
const TEXTS: [&str; 8] = [
    "",
    "a",
    "ää",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "2026-02-28",
    "2026-02-28T23:59:59.5+02:00",
    "10.0.0.1",
    "::1",
];

impl Make {
    fn document(&mut self) -> Value {
        let mut root = self.schema(3, false);
        if let Value::Object(root) = &mut root {
            root.insert(
                "$defs".to_owned(),
                json!({ "A": self.schema(2, false), "B": self.schema(2, false) }),
            );
        }
        root
    }

    fn chance(&mut self, of: u32) -> bool {
        self.0.u32(0..of) == 0
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.usize(0..of.len())]
    }

    /// `may_refer` is set below a step into the value, so that no reference leads to itself without one.
    fn schema(&mut self, depth: u32, may_refer: bool) -> Value {
        if may_refer && self.chance(4) {
            return json!({ "$ref": *self.one(&["#", "#/$defs/A", "#/$defs/B"]) });
        }
        if self.chance(20) {
            return Value::Bool(self.0.bool());
        }
        let mut keywords = Map::new();
        match self.0.u32(0..8) {
            0 => self.numbers(&mut keywords),
            1 => self.texts(&mut keywords),
            2 => drop(
                keywords.insert("enum".to_owned(), json!([self.scalar(), self.scalar(), [1], { "a": 1 }])),
            ),
            3 => drop(keywords.insert("const".to_owned(), self.scalar())),
            4 if depth > 0 => self.array(&mut keywords, depth - 1),
            5 | 6 if depth > 0 => self.object(&mut keywords, depth - 1),
            _ => {
                let types = ["null", "boolean", "integer", "number", "string", "array", "object"];
                let types = [*self.one(&types), *self.one(&types)];
                let types = if types[0] == types[1] { json!(types[0]) } else { json!(types) };
                keywords.insert("type".to_owned(), types);
            }
        }
        if depth > 0 && self.chance(3) {
            self.combined(&mut keywords, depth - 1, may_refer);
        }
        Value::Object(keywords)
    }

    fn numbers(&mut self, keywords: &mut Map<String, Value>) {
        keywords.insert("type".to_owned(), json!(*self.one(&["integer", "number"])));
        for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            if self.chance(3) {
                keywords.insert(keyword.to_owned(), self.number());
            }
        }
        if self.chance(4) {
            keywords.insert("multipleOf".to_owned(), self.one(&[json!(2), json!(3), json!(0.5)]).clone());
        }
    }

    fn texts(&mut self, keywords: &mut Map<String, Value>) {
        keywords.insert("type".to_owned(), json!("string"));
        if self.chance(2) {
            keywords.insert("format".to_owned(), json!(*self.one(&FORMATS)));
        }
        for keyword in ["minLength", "maxLength"] {
            if self.chance(3) {
                keywords.insert(keyword.to_owned(), json!(self.0.u8(0..3)));
            }
        }
    }

    fn array(&mut self, keywords: &mut Map<String, Value>, depth: u32) {
        keywords.insert("type".to_owned(), json!("array"));
        if self.chance(3) {
            keywords.insert(
                "prefixItems".to_owned(),
                json!([self.schema(depth, true), self.schema(depth, true)]),
            );
        }
        for (keyword, of) in [("items", 2), ("contains", 5)] {
            if self.chance(of) {
                keywords.insert(keyword.to_owned(), self.schema(depth, true));
            }
        }
        if keywords.contains_key("contains") && self.chance(2) {
            keywords.insert(self.one(&["minContains", "maxContains"]).to_string(), json!(self.0.u8(0..3)));
        }
        for keyword in ["minItems", "maxItems"] {
            if self.chance(4) {
                keywords.insert(keyword.to_owned(), json!(self.0.u8(0..3)));
            }
        }
        if self.chance(3) {
            keywords.insert("uniqueItems".to_owned(), json!(true));
        }
    }

    fn object(&mut self, keywords: &mut Map<String, Value>, depth: u32) {
        keywords.insert("type".to_owned(), json!("object"));
        let mut properties = Map::new();
        for name in ["a", "b", "c"] {
            if self.chance(2) {
                properties.insert(name.to_owned(), self.schema(depth, true));
            }
        }
        keywords.insert("properties".to_owned(), Value::Object(properties));
        if self.chance(2) {
            keywords.insert("required".to_owned(), json!([*self.one(&NAMES)]));
        }
        if self.chance(4) {
            let pattern = *self.one(&[r"^\d+$", r"^-?\d+$"]);
            keywords.insert("patternProperties".to_owned(), json!({ pattern: self.schema(depth, true) }));
        }
        for (keyword, of) in [("additionalProperties", 4), ("unevaluatedProperties", 4)] {
            if self.chance(of) {
                let schema = if self.chance(2) { Value::Bool(false) } else { self.schema(depth, true) };
                keywords.insert(keyword.to_owned(), schema);
            }
        }
        if self.chance(6) {
            keywords
                .insert("dependentRequired".to_owned(), json!({ *self.one(&NAMES): [*self.one(&NAMES)] }));
        }
        for keyword in ["minProperties", "maxProperties"] {
            if self.chance(6) {
                keywords.insert(keyword.to_owned(), json!(self.0.u8(0..3)));
            }
        }
    }

    fn combined(&mut self, keywords: &mut Map<String, Value>, depth: u32, may_refer: bool) {
        let keyword = *self.one(&["allOf", "anyOf", "oneOf", "not", "if"]);
        let one = self.schema(depth, may_refer);
        match keyword {
            "not" => drop(keywords.insert(keyword.to_owned(), one)),
            "if" => {
                keywords.insert(keyword.to_owned(), one);
                keywords.insert("then".to_owned(), self.schema(depth, may_refer));
                keywords.insert("else".to_owned(), self.schema(depth, may_refer));
            }
            list => drop(keywords.insert(list.to_owned(), json!([one, self.schema(depth, may_refer)]))),
        }
    }

    fn number(&mut self) -> Value {
        self.one(&[
            json!(-3),
            json!(0),
            json!(1),
            json!(1.0),
            json!(1.5),
            json!(2),
            json!(4),
            json!(6),
            json!(u64::MAX),
        ])
        .clone()
    }

    fn scalar(&mut self) -> Value {
        match self.0.u32(0..4) {
            0 => self.number(),
            1 => json!(*self.one(&TEXTS)),
            2 => json!(self.0.bool()),
            _ => Value::Null,
        }
    }

    /// A value that may be what a schema says, and often is not quite.
    fn like(&mut self, root: &Value, schema: &Value, depth: u32) -> Value {
        if depth == 0 || self.chance(12) {
            return self.scalar();
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.like(root, root.pointer(&reference[1..]).unwrap(), depth - 1);
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.one(values).clone();
        }
        let name = match schema.get("type") {
            Some(Value::String(only)) => only.as_str(),
            Some(Value::Array(several)) => self.one(several).as_str().unwrap(),
            _ => "",
        };
        match name {
            "integer" | "number" => self.number(),
            "string" => json!(*self.one(&TEXTS)),
            "boolean" => json!(self.0.bool()),
            "array" => {
                let first = schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
                let rest = schema.get("items").cloned().unwrap_or(json!(true));
                let items = (0..self.0.usize(0..4))
                    .map(|index| self.like(root, first.get(index).unwrap_or(&rest), depth - 1));
                items.collect()
            }
            "object" => {
                let mut fields = Map::new();
                for name in NAMES {
                    let known = schema.get("properties").and_then(|properties| properties.get(name));
                    let is_required = schema.get("required").is_some_and(|required| required[0] == name);
                    if is_required || self.chance(if known.is_some() { 2 } else { 5 }) {
                        let value =
                            self.like(root, known.unwrap_or(&json!({ "type": "integer" })), depth - 1);
                        fields.insert(name.to_owned(), value);
                    }
                }
                Value::Object(fields)
            }
            _ => self.scalar(),
        }
    }
}
