//! A schema and what its references mean.

use std::fmt;

use serde_json::Value;

use super::words::is_remark;

/// A whole schema: what `$ref` is resolved from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    root: &'a Value,
}

impl<'a> Document<'a> {
    pub(super) const fn new(root: &'a Value) -> Self {
        Self { root }
    }

    /// What `#`, `#/$defs/Order` or any other pointer into this document means. Nothing outside is looked for.
    pub(super) fn resolve(self, reference: &str) -> Option<&'a Value> {
        let pointer = reference.strip_prefix('#')?;
        if pointer.contains('%') {
            self.root.pointer(&unescaped(pointer)?)
        } else {
            self.root.pointer(pointer)
        }
    }

    /// What a schema means that is only a reference.
    pub(super) fn meant(self, schema: &'a Value) -> &'a Value {
        let mut meant = schema;
        // A circle of references means nothing, however often it is followed.
        for _ in 0..32 {
            let Some(keywords) = meant.as_object() else { break };
            let is_plain = keywords.keys().all(|name| name == "$ref" || name == "$defs" || is_remark(name));
            let reference = keywords.get("$ref").and_then(Value::as_str).filter(|_| is_plain);
            let Some(target) = reference.and_then(|reference| self.resolve(reference)) else { break };
            meant = target;
        }
        meant
    }
}

/// A fragment of a URI without its percent signs.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Where in a message: a list on the stack, which becomes a text only where something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    up: Option<&'p Self>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Item(usize),
    /// Whichever field or item.
    Any,
}

impl<'p> Place<'p> {
    /// The whole message.
    pub(super) const fn root() -> Self {
        Self { up: None, step: Step::Root }
    }

    pub(super) const fn field(&'p self, name: &'p str) -> Self {
        Self { up: Some(self), step: Step::Field(name) }
    }

    pub(super) const fn item(&'p self, index: usize) -> Self {
        Self { up: Some(self), step: Step::Item(index) }
    }

    pub(super) const fn any(&'p self) -> Self {
        Self { up: Some(self), step: Step::Any }
    }
}

/// As a JSON Pointer, with `*` for whichever field or item.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(up) = self.up {
            up.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if name.contains(['~', '/']) => {
                write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Step::Field(name) => write!(f, "/{name}"),
            Step::Item(index) => write!(f, "/{index}"),
            Step::Any => f.write_str("/*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_is_a_pointer_into_the_document() {
        let root = json!({ "$defs": { "A": 1, "a/b": 2, "a b": 3 } });
        let document = Document::new(&root);
        assert_eq!(document.resolve("#"), Some(&root));
        assert_eq!(document.resolve("#/$defs/A"), Some(&json!(1)));
        assert_eq!(document.resolve("#/%24defs/a~1b"), Some(&json!(2)));
        assert_eq!(document.resolve("#/$defs/a%20b"), Some(&json!(3)));
        for nowhere in ["#/$defs/B", "other.json#/$defs/A", "#/$defs/%2", "#/$defs/%zz"] {
            assert_eq!(document.resolve(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn a_place_is_a_pointer() {
        let root = Place::root();
        let lines = root.field("li/n~es");
        let any = lines.any();
        assert_eq!(root.to_string(), "");
        assert_eq!(any.field("size").to_string(), "/li~1n~0es/*/size");
        assert_eq!(lines.item(3).to_string(), "/li~1n~0es/3");
    }
}
