//! What schemas refer to: each definition once, however many events have it.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde_json::Value;

use super::anchor;

/// Every definition of every schema. Two with the same name and the same meaning are one.
#[derive(Debug, Default)]
pub(super) struct Types<'a> {
    all: Vec<Type<'a>>,
    /// By its name and everything that it leads to.
    known: BTreeMap<(String, String), usize>,
}

/// A definition.
#[derive(Debug)]
pub(super) struct Type<'a> {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) schema: &'a Value,
    pub(super) links: Links,
    /// Kinds of the events that have it, sorted.
    pub(super) used_by: BTreeSet<&'a str>,
    /// What it can be found by.
    pub(super) words: BTreeSet<&'a str>,
}

/// Where the references of one schema lead.
pub(super) type Links = Rc<BTreeMap<String, Link>>;

#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) id: String,
}

/// What a schema consists of, as far as the page has to know.
#[derive(Debug, Default)]
struct Parts<'a> {
    references: BTreeSet<&'a str>,
    /// Fields and values.
    words: BTreeSet<&'a str>,
}

impl<'a> Types<'a> {
    /// Takes the definitions of an event's schema, or of its reply's. `own` is where the schema itself is shown. Gives
    /// where references lead, and the names of all fields.
    pub(super) fn add(&mut self, schema: &'a Value, kind: &'a str, own: Link) -> (Links, BTreeSet<&'a str>) {
        let mut words = Parts::of(schema).words;
        let mut links = BTreeMap::new();
        let mut used = Vec::new();
        for (reference, target) in reachable(schema, schema) {
            let parts = Parts::of(target);
            words.extend(&parts.words);
            if std::ptr::eq(target, schema) {
                links.insert(reference.to_owned(), own.clone());
                continue;
            }
            let name = name(reference);
            let meaning = meaning(schema, target, &own.id);
            let place = *self.known.entry((name.clone(), meaning)).or_insert_with(|| {
                let namesakes = self.all.iter().filter(|other| other.name == name).count();
                let id = anchor("type:", &name)
                    + &if namesakes > 0 { format!("~{}", namesakes + 1) } else { String::new() };
                self.all.push(Type {
                    name,
                    id,
                    schema: target,
                    links: Links::default(),
                    used_by: BTreeSet::new(),
                    words: parts.words,
                });
                self.all.len() - 1
            });
            let found = &mut self.all[place];
            found.used_by.insert(kind);
            links.insert(reference.to_owned(), Link { name: found.name.clone(), id: found.id.clone() });
            used.push(place);
        }
        let links = Rc::new(links);
        for place in used {
            let found = &mut self.all[place];
            if found.links.is_empty() {
                found.links = links.clone();
            }
        }
        (links, words)
    }

    /// Sorted by name.
    pub(super) fn sorted(&self) -> Vec<&Type<'a>> {
        let mut all: Vec<_> = self.all.iter().collect();
        all.sort_by_key(|found| (&found.name, &found.id));
        all
    }
}

/// Everything that a part of `root` refers to, directly or through others; each once, and what is not there not at
/// all.
fn reachable<'a>(root: &'a Value, part: &'a Value) -> BTreeMap<&'a str, &'a Value> {
    let mut found = BTreeMap::new();
    let mut open = vec![part];
    while let Some(part) = open.pop() {
        for reference in Parts::of(part).references {
            if !found.contains_key(reference)
                && let Some(target) = resolve(root, reference)
            {
                found.insert(reference, target);
                open.push(target);
            }
        }
    }
    found
}

/// The part of `root` that a reference within it names.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(&decoded(reference.strip_prefix('#')?))
}

/// Two definitions with the same text here are the same. A schema that refers to itself as a whole is its owner's
/// alone.
fn meaning(root: &Value, part: &Value, owner: &str) -> String {
    let mut text = part.to_string();
    for (reference, target) in reachable(root, part) {
        text.push_str(reference);
        text.push_str(&if std::ptr::eq(target, root) { owner.to_owned() } else { target.to_string() });
    }
    text
}

/// `Money` of `#/$defs/Money`.
fn name(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    decoded(last).replace("~1", "/").replace("~0", "~")
}

/// With the bytes that a URI writes as `%2F`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

impl<'a> Parts<'a> {
    fn of(schema: &'a Value) -> Self {
        let mut parts = Self::default();
        parts.add(schema);
        parts
    }

    fn add(&mut self, schema: &'a Value) {
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match keyword.as_str() {
                "$ref" => self.references.extend(value.as_str()),
                "properties" => {
                    for (name, schema) in value.as_object().into_iter().flatten() {
                        self.words.insert(name);
                        self.add(schema);
                    }
                }
                "const" => self.words.extend(value.as_str()),
                "enum" => self.words.extend(value.as_array().into_iter().flatten().filter_map(Value::as_str)),
                "patternProperties" | "dependentSchemas" => {
                    value.as_object().into_iter().flatten().for_each(|(_, schema)| self.add(schema));
                }
                "items"
                | "prefixItems"
                | "oneOf"
                | "anyOf"
                | "allOf"
                | "additionalProperties"
                | "contains"
                | "not"
                | "if"
                | "then"
                | "else"
                | "propertyNames"
                | "unevaluatedProperties"
                | "unevaluatedItems" => match value.as_array() {
                    Some(schemas) => schemas.iter().for_each(|schema| self.add(schema)),
                    None => self.add(value),
                },
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own(id: &str) -> Link {
        Link { name: "Whole".to_owned(), id: id.to_owned() }
    }

    #[test]
    fn what_means_the_same_is_one() {
        let money = json!({"properties": {"cents": {"$ref": "#/$defs/Cents"}}});
        let of = |cents: &str| {
            json!({
                "properties": {"total": {"$ref": "#/$defs/Money"}},
                "$defs": {"Money": money, "Cents": {"type": cents}, "Unused": {}},
            })
        };
        let (whole, also, text) = (of("integer"), of("integer"), of("string"));
        let mut types = Types::default();
        types.add(&whole, "a.v1", own("a.v1"));
        types.add(&also, "b.v1", own("b.v1"));
        // The same text, but it leads to something else.
        let (links, words) = types.add(&text, "c.v1", own("c.v1"));
        let all: Vec<_> =
            types.sorted().iter().map(|found| (found.id.as_str(), found.used_by.len())).collect();
        assert_eq!(all, [("type:Cents", 2), ("type:Cents~2", 1), ("type:Money", 2), ("type:Money~2", 1)]);
        assert_eq!(links["#/$defs/Money"].id, "type:Money~2");
        assert_eq!(words, BTreeSet::from(["cents", "total"]));
    }

    #[test]
    fn recursion_ends() {
        let schema = json!({
            "properties": {"one": {"$ref": "#/$defs/One"}, "whole": {"$ref": "#"}},
            "$defs": {
                "One": {"properties": {"other": {"$ref": "#/$defs/a~1b%20c"}}},
                "a/b c": {"items": {"$ref": "#/$defs/One"}, "contains": {"$ref": "#"}, "not": {"$ref": "#/$defs/Gone"}},
            },
        });
        let mut types = Types::default();
        let (links, _) = types.add(&schema, "a.v1", own("a.v1"));
        let links: Vec<_> =
            links.iter().map(|(reference, link)| (reference.as_str(), link.id.as_str())).collect();
        assert_eq!(links, [("#", "a.v1"), ("#/$defs/One", "type:One"), ("#/$defs/a~1b%20c", "type:a/b%20c")]);
        assert_eq!(types.sorted()[1].name, "a/b c");
    }

    #[test]
    fn an_example_is_no_schema() {
        let schema = json!({"examples": [{"$ref": "#"}], "default": {"properties": {"a": {}}}, "const": {"$ref": "#"}});
        let (links, words) = Types::default().add(&schema, "a.v1", own("a.v1"));
        assert_eq!((links.len(), words.len()), (0, 0));
    }
}
