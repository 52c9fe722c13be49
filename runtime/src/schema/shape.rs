//! What a schema allows, as a list of shapes: each is one kind of value with all its bounds.
//!
//! Two schemas that allow the same look alike here, however they are written: references are followed, `allOf` is
//! merged, and every alternative stands for itself. The parts of a shape are schemas again, so that what refers to
//! itself is unfolded only as far as somebody looks.

mod expand;
mod labels;
mod meet;

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    rc::Rc,
};

use hashbrown::HashMap;
use serde_json::{Map, Value};

pub(super) use self::labels::{Label, Labels};
use super::{
    document::Document,
    format,
    number::{Num, Range},
    words::{alike, is_remark},
};

/// What stands at one place of a message: all of these schemas hold. Without any of them everything is allowed.
#[derive(Debug, Clone, Default)]
pub(super) struct Part<'a>(Vec<&'a Value>);

impl<'a> Part<'a> {
    pub(super) fn of(schema: &'a Value) -> Self {
        if *schema == Value::Bool(true) { Self::default() } else { Self(vec![schema]) }
    }

    /// What both allow.
    pub(super) fn and(mut self, other: &Self) -> Self {
        for schema in &other.0 {
            if !self.0.iter().any(|own| std::ptr::eq(*own, *schema)) {
                self.0.push(schema);
            }
        }
        self
    }

    /// Whether everything is allowed, as far as a look tells.
    pub(super) const fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both say the same without leading to other schemas: most fields of most events.
    pub(super) fn is_leaf_alike(&self, other: &Part<'_>) -> bool {
        match (&self.0[..], &other.0[..]) {
            ([], []) => true,
            ([one], [other]) => is_leaf(one) && alike(one, other),
            _ => false,
        }
    }

    pub(super) fn schemas(&self) -> &[&'a Value] {
        &self.0
    }
}

fn is_leaf(schema: &Value) -> bool {
    let is_flat = |(name, value): (&String, &Value)| match value {
        Value::Array(_) => matches!(name.as_str(), "type" | "enum"),
        Value::Object(_) => is_remark(name),
        _ => name != "$ref",
    };
    schema.as_object().is_some_and(|keywords| keywords.iter().all(is_flat))
}

/// The same schemas of the same document, not equal ones.
impl PartialEq for Part<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(one, other)| std::ptr::eq(*one, *other))
    }
}

impl Eq for Part<'_> {}

impl Hash for Part<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for schema in &self.0 {
            std::ptr::from_ref::<Value>(schema).hash(state);
        }
    }
}

/// Every shape that a part may have.
#[derive(Debug)]
pub(super) struct Union<'a> {
    pub(super) shapes: Vec<Shape<'a>>,
    pub(super) labels: Labels,
    /// There are so many alternatives that nobody has looked at them all, or a reference leads nowhere.
    pub(super) is_cut: bool,
}

/// One kind of value.
#[derive(Debug, Clone)]
pub(super) struct Shape<'a> {
    pub(super) kind: Kind<'a>,
    /// Which alternatives of which `oneOf` it is from.
    pub(super) choices: Vec<(&'a Vec<Value>, usize)>,
    /// Keywords that cannot be compared but with their like: `pattern`, `not`, `if` ...
    pub(super) opaque: Vec<(&'a str, &'a Value)>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind<'a> {
    Null,
    Boolean,
    Number(Numbers<'a>),
    Text(Texts<'a>),
    Array(Array<'a>),
    Object(Object<'a>),
    /// Just this value.
    Value(&'a Value),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Numbers<'a> {
    pub(super) is_integer: bool,
    pub(super) range: Range,
    pub(super) units: Vec<Num>,
    /// For people: the range holds what it says.
    pub(super) format: Option<&'a str>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Texts<'a> {
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    pub(super) formats: Vec<&'a str>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Array<'a> {
    pub(super) first: Vec<Part<'a>>,
    pub(super) rest: Part<'a>,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    pub(super) is_unique: bool,
}

impl<'a> Array<'a> {
    pub(super) fn item(&self, index: usize) -> &Part<'a> {
        self.first.get(index).unwrap_or(&self.rest)
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Object<'a> {
    pub(super) fields: BTreeMap<&'a str, Field<'a>>,
    /// Fields whose names match a pattern.
    pub(super) patterns: Vec<(&'a str, Part<'a>)>,
    /// All other fields, where something is said about them.
    pub(super) rest: Option<Part<'a>>,
    /// Whether anything was said about it at all.
    pub(super) is_described: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Field<'a> {
    pub(super) part: Part<'a>,
    pub(super) is_required: bool,
    /// Whether those who write this type always write it.
    pub(super) is_always_written: bool,
}

impl<'a> Object<'a> {
    /// What stands in a field; `None` where nothing is said about it.
    pub(super) fn field(&self, name: &str) -> Option<Part<'a>> {
        if let Some(field) = self.fields.get(name) {
            return Some(field.part.clone());
        }
        let mut matching =
            self.patterns.iter().filter(|(pattern, _)| format::matches(pattern, name) != Some(false));
        match matching.next() {
            Some((_, first)) => Some(matching.fold(first.clone(), |part, (_, next)| part.and(next))),
            None => self.rest.clone(),
        }
    }
}

/// A document whose parts are unfolded once each.
#[derive(Debug)]
pub(super) struct Shapes<'a> {
    root: &'a Value,
    pub(super) document: Document<'a>,
    known: HashMap<Part<'a>, Rc<Union<'a>>>,
}

impl<'a> Shapes<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, document: Document::new(root), known: HashMap::new() }
    }

    /// All of the message.
    pub(super) fn root(&self) -> Part<'a> {
        Part::of(self.root)
    }

    pub(super) fn of(&mut self, part: &Part<'a>) -> Rc<Union<'a>> {
        if let Some(known) = self.known.get(part) {
            return Rc::clone(known);
        }
        let union = Rc::new(expand::expand(self.document, part));
        self.known.insert(part.clone(), Rc::clone(&union));
        union
    }

    /// The same part, with references that say nothing else replaced by what they mean.
    pub(super) fn meant(&self, part: &Part<'a>) -> Part<'a> {
        let mut meant = Part::default();
        for schema in &part.0 {
            let schema = self.document.meant(schema);
            let says_nothing = |keywords: &Map<String, Value>| keywords.keys().all(|name| is_remark(name));
            if !schema.as_object().is_some_and(says_nothing) {
                meant = meant.and(&Part::of(schema));
            }
        }
        meant
    }

    /// Whether no value is allowed.
    pub(super) fn is_never(&mut self, part: &Part<'a>) -> bool {
        let union = self.of(part);
        union.shapes.is_empty() && !union.is_cut
    }
}
