//! The schemas of all events together: definitions are lifted, so that each stands once and has a name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    decoded,
    form::{self, Form, Need},
};

/// What is in `components.schemas`, and under which name.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    components: BTreeMap<String, Value>,
}

/// A definition as one schema has it.
#[derive(Debug)]
struct Part<'a> {
    /// The schema that it is of.
    root: usize,
    /// As that one calls it; `None` is the schema itself.
    own: Option<&'a str>,
    schema: &'a Value,
    form: Form,
    /// It and all that it leads to, as text: what is the same has the same.
    closure: String,
}

impl Schemas {
    /// Lifts the definitions of these schemas, which are called as they stand here.
    pub(super) fn of(schemas: &[(String, &Value)]) -> Self {
        let mut parts: Vec<Part<'_>> = Vec::new();
        for (root, (_, schema)) in schemas.iter().enumerate() {
            parts.extend(parts_of(root, schema));
        }
        let names = name(schemas, &parts);
        let mut components = BTreeMap::new();
        for (part, name) in parts.iter().zip(&names) {
            if components.contains_key(name) {
                continue;
            }
            let refer = |to: &str| refer(to, part.root, &parts, &names);
            let written = form::write(&without_definitions(part.schema), part.form, &refer);
            components.insert(name.clone(), match part.form {
                Form::Plain => written,
                Form::Wrapped => {
                    json!({"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": written})
                }
            });
        }
        Self { components }
    }

    pub(super) fn into_components(self) -> impl Iterator<Item = (String, Value)> {
        self.components.into_iter()
    }
}

/// The schema itself, and its definitions.
fn parts_of(root: usize, schema: &Value) -> Vec<Part<'_>> {
    let definitions = definitions(schema);
    // Where one part can only be said in draft 2020-12, so is all that differs between the two.
    let is_draft =
        [schema].into_iter().chain(definitions.values().copied()).any(|it| form::need(it) == Need::Draft);
    let all =
        [(None, schema)].into_iter().chain(definitions.iter().map(|(name, schema)| (Some(*name), *schema)));
    all.map(|(own, part)| {
        let reached = reach(schema, part, &definitions);
        let needed = reached.iter().map(|name| name.map_or(schema, |name| definitions[name]));
        let needed = needed.chain([part]).map(|part| form::need(&without_definitions(part))).max();
        let form = if is_draft && needed > Some(Need::Nothing) { Form::Wrapped } else { Form::Plain };
        let texts = reached
            .iter()
            .map(|name| (name, without_definitions(name.map_or(schema, |name| definitions[name]))));
        let closure = texts.fold(format!("{form:?} {}", without_definitions(part)), |all, (name, text)| {
            format!("{all}\n{name:?} {text}")
        });
        Part { root, own, schema: part, form, closure }
    })
    .collect()
}

/// By name; `definitions` is what older drafts call them.
fn definitions(schema: &Value) -> BTreeMap<&str, &Value> {
    let folders = ["$defs", "definitions"].into_iter().filter_map(|folder| schema.get(folder)?.as_object());
    folders.flatten().map(|(name, schema)| (name.as_str(), schema)).collect()
}

fn without_definitions(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$defs");
        fields.remove("definitions");
    }
    schema
}

/// What a part leads to, directly or not; `None` is the schema itself.
fn reach<'a>(
    root: &'a Value,
    part: &'a Value,
    definitions: &BTreeMap<&'a str, &'a Value>,
) -> BTreeSet<Option<&'a str>> {
    let mut reached = BTreeSet::new();
    let mut left = vec![part];
    while let Some(part) = left.pop() {
        let mut see = |fields: &'a serde_json::Map<String, Value>| {
            let Some(to) = fields.get("$ref").and_then(Value::as_str) else { return };
            let found = match target(to) {
                Some((None, _)) => Some((None, root)),
                Some((Some(name), _)) => {
                    definitions.get_key_value(name.as_str()).map(|(name, schema)| (Some(*name), *schema))
                }
                None => None,
            };
            if let Some((name, schema)) = found
                && reached.insert(name)
            {
                left.push(schema);
            }
        };
        // The definitions of the schema itself are reached only by reference.
        match part {
            Value::Object(fields) if std::ptr::eq(part, root) => {
                see(fields);
                let inner =
                    fields.iter().filter(|(name, _)| !["$defs", "definitions"].contains(&name.as_str()));
                for (_, value) in inner {
                    each_within(value, &mut see);
                }
            }
            part => form::each(part, &mut see),
        }
    }
    reached
}

/// Every schema in what a keyword holds; one too many does no harm here.
fn each_within<'a>(value: &'a Value, see: &mut impl FnMut(&'a serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            see(fields);
            fields.values().for_each(|value| each_within(value, see));
        }
        Value::Array(values) => values.iter().for_each(|value| each_within(value, see)),
        _ => {}
    }
}

/// Which definition a reference leads to, `None` for the schema itself, and where in it.
fn target(to: &str) -> Option<(Option<String>, &str)> {
    let pointer = to.strip_prefix('#')?;
    for folder in ["/$defs/", "/definitions/"] {
        if let Some(rest) = pointer.strip_prefix(folder) {
            let end = rest.find('/').unwrap_or(rest.len());
            return Some((Some(unescaped(&rest[..end])), &rest[end..]));
        }
    }
    (pointer.is_empty() || pointer.starts_with('/')).then_some((None, pointer))
}

/// A token of a JSON pointer in a URL's fragment, as the name that it means.
fn unescaped(token: &str) -> String {
    decoded(token).replace("~1", "/").replace("~0", "~")
}

/// A name for each part: its own, where all that have it are the same, else one with the event's.
fn name(schemas: &[(String, &Value)], parts: &[Part<'_>]) -> Vec<String> {
    let mut closures: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.own.is_some()) {
        closures.entry(plain_name(part.own.unwrap_or_default())).or_default().insert(&part.closure);
    }
    let mut named: BTreeMap<(&str, String), String> = BTreeMap::new();
    let mut taken: BTreeSet<String> = schemas.iter().map(|(name, _)| name.clone()).collect();
    let mut names = Vec::with_capacity(parts.len());
    for part in parts {
        let root = &schemas[part.root].0;
        let Some(own) = part.own else {
            names.push(root.clone());
            continue;
        };
        let own = plain_name(own);
        let is_shared = closures.get(&own).is_some_and(|closures| closures.len() == 1);
        let known = named.entry((&part.closure, own.clone())).or_insert_with(|| {
            let name = if is_shared { own.clone() } else { format!("{root}.{own}") };
            free(name, &mut taken)
        });
        names.push(known.clone());
    }
    names
}

fn free(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|nth: u32| format!("{name}-{nth}"));
    let free = [name.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(free.clone());
    free
}

/// With what a component may be called by.
fn plain_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

/// Where a reference of a schema leads in the document.
fn refer(to: &str, root: usize, parts: &[Part<'_>], names: &[String]) -> String {
    let Some((own, rest)) = target(to) else { return to.to_owned() };
    let of_root = |part: &Part<'_>| part.root == root && part.own == own.as_deref();
    let Some(nth) = parts.iter().position(of_root) else { return to.to_owned() };
    let schema = if parts[nth].form == Form::Wrapped { "/schema" } else { "" };
    format!("#/components/schemas/{}{schema}{rest}", names[nth])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lift(schemas: &[(&str, Value)]) -> Value {
        let schemas: Vec<_> = schemas.iter().map(|(name, schema)| ((*name).to_owned(), schema)).collect();
        Schemas::of(&schemas).into_components().collect()
    }

    #[test]
    fn what_is_the_same_stands_once_and_what_is_not_has_two_names() {
        let money = json!({"type": "integer"});
        let lifted = lift(&[
            ("a.v1", json!({"$ref": "#/$defs/Money", "$defs": {"Money": money, "Line": {"const": 1}}})),
            (
                "b.v1",
                json!({"items": {"$ref": "#/$defs/Line"}, "$defs": {"Money": money, "Line": {"const": 2}}}),
            ),
        ]);
        let expected = json!({
            "a.v1": {"$ref": "#/components/schemas/Money"},
            "a.v1.Line": {"const": 1},
            "b.v1": {"items": {"$ref": "#/components/schemas/b.v1.Line"}},
            "b.v1.Line": {"const": 2},
            "Money": {"type": "integer"},
        });
        assert_eq!(lifted, expected);
    }

    #[test]
    fn what_differs_only_in_what_it_leads_to_differs() {
        let schema = |inner: u8| {
            json!({"$defs": {"Outer": {"items": {"$ref": "#/$defs/Inner"}}, "Inner": {"const": inner}},
                "properties": {"outer": {"$ref": "#/$defs/Outer"}}})
        };
        let lifted = lift(&[("a.v1", schema(1)), ("b.v1", schema(2))]);
        let names: Vec<_> =
            lifted.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        assert_eq!(names, ["a.v1", "a.v1.Inner", "a.v1.Outer", "b.v1", "b.v1.Inner", "b.v1.Outer"]);
    }

    #[test]
    fn recursion_and_pointers_lead_where_they_led() {
        let lifted = lift(&[(
            "a.v1",
            json!({"properties": {"next": {"$ref": "#"}, "same": {"$ref": "#/properties/next"},
                "tree": {"$ref": "#/$defs/Tree%7E1Node/properties/x"}},
                "$defs": {"Tree/Node": {"properties": {"x": {"$ref": "#/$defs/Tree~1Node"}}}}}),
        )]);
        assert_eq!(lifted["a.v1"]["properties"]["next"]["$ref"], "#/components/schemas/a.v1");
        assert_eq!(lifted["a.v1"]["properties"]["same"]["$ref"], "#/components/schemas/a.v1/properties/next");
        assert_eq!(
            lifted["a.v1"]["properties"]["tree"]["$ref"],
            "#/components/schemas/Tree_Node/properties/x"
        );
        assert_eq!(lifted["Tree_Node"]["properties"]["x"]["$ref"], "#/components/schemas/Tree_Node");
    }

    #[test]
    fn what_only_draft_2020_12_can_say_is_wrapped_and_the_rest_is_not() {
        let definitions = json!({"Pair": {"prefixItems": [true]}, "Name": {"type": "string"}});
        let lifted = lift(&[
            (
                "a.v1",
                json!({"unevaluatedProperties": false, "$defs": definitions,
                    "properties": {"pair": {"$ref": "#/$defs/Pair"}, "name": {"$ref": "#/$defs/Name"}}}),
            ),
            ("b.v1", json!({"$ref": "#/$defs/Pair", "$defs": definitions})),
        ]);
        let format = "application/schema+json;version=draft-2020-12";
        let expected = json!({
            "a.v1": {"schemaFormat": format, "schema": {"unevaluatedProperties": false, "properties": {
                "pair": {"$ref": "#/components/schemas/a.v1.Pair/schema"},
                "name": {"$ref": "#/components/schemas/Name"},
            }}},
            "a.v1.Pair": {"schemaFormat": format, "schema": {"prefixItems": [true]}},
            "b.v1": {"$ref": "#/components/schemas/b.v1.Pair"},
            "b.v1.Pair": {"items": [true]},
            "Name": {"type": "string"},
        });
        assert_eq!(lifted, expected);
    }
}
