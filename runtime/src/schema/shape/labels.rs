//! What tells the alternatives of a part apart, so that those of two schemas are compared with their like.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use super::{Kind, Object, Shape, expand::expand};
use crate::schema::{document::Document, validate::short};

/// What an alternative is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::schema) enum Label {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    /// The only kind of object there.
    Object,
    /// The object in which a field has this value: an enum with a tag.
    Tag(String, String),
    /// The object with these fields, which not all others have: an enum whose variant is a field's name.
    With(String),
    /// Nothing tells it from other objects but where it stands.
    Nth(usize),
    /// This value.
    Value(String),
}

/// "`type` \"card\"", for a text that goes on with what is said of it.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean => f.write_str("a boolean"),
            Self::Number => f.write_str("a number"),
            Self::Text => f.write_str("a text"),
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
            Self::Tag(field, value) => write!(f, "an object whose `{field}` is {value}"),
            Self::With(fields) => write!(f, "an object with {fields}"),
            Self::Nth(index) => write!(f, "an object of the alternative {}", index + 1),
            Self::Value(value) => f.write_str(value),
        }
    }
}

/// The label of each shape of a union, in its order.
#[derive(Debug)]
pub(in crate::schema) struct Labels(pub(in crate::schema) Vec<Label>);

impl Labels {
    pub(super) fn of<'a>(shapes: &[Shape<'a>], document: Document<'a>) -> Self {
        let objects = || shapes.iter().filter_map(Shape::as_object);
        let is_alone = objects().nth(1).is_none();
        let common = objects().map(required).reduce(|some, more| &some & &more).unwrap_or_default();
        let of = |(index, shape): (usize, &Shape<'a>)| match &shape.kind {
            Kind::Null => Label::Null,
            Kind::Boolean => Label::Boolean,
            Kind::Number(_) => Label::Number,
            Kind::Text(_) => Label::Text,
            Kind::Array(_) => Label::Array,
            Kind::Value(value) => Label::Value(short(value)),
            Kind::Object(object) => {
                if let Some((field, value)) = tag(object, document) {
                    return Label::Tag(field.to_owned(), short(value));
                }
                // A variant stays one when all others go.
                let is_variant = !shape.choices.is_empty() && object.fields.len() == 1;
                if is_alone
                    && let [only] = Vec::from_iter(required(object))[..]
                    && is_variant
                {
                    return Label::With(format!("`{only}`"));
                }
                if is_alone {
                    return Label::Object;
                }
                let own: Vec<_> =
                    required(object).difference(&common).map(|name| format!("`{name}`")).collect();
                if own.is_empty() { Label::Nth(index) } else { Label::With(own.join(" and ")) }
            }
        };
        Self(shapes.iter().enumerate().map(of).collect())
    }

    /// Which shape of this union stands for which of another: those of one label in their order, and objects without a
    /// like in theirs, where there are as many on both sides.
    pub(in crate::schema) fn pairs(&self, other: &Self) -> Vec<(usize, usize)> {
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        let mut others: BTreeMap<&Label, Vec<usize>> = BTreeMap::new();
        for (index, label) in other.0.iter().enumerate().rev() {
            others.entry(label).or_default().push(index);
        }
        for (index, label) in self.0.iter().enumerate() {
            pairs.extend(others.get_mut(label).and_then(Vec::pop).map(|other| (index, other)));
        }
        let alone = |labels: &Self, paired: Vec<usize>| -> Vec<usize> {
            let is_object = |label: &Label| matches!(label, Label::Object | Label::With(_) | Label::Nth(_));
            (0..labels.0.len())
                .filter(|index| !paired.contains(index) && is_object(&labels.0[*index]))
                .collect()
        };
        let own = alone(self, pairs.iter().map(|(own, _)| *own).collect());
        let others = alone(other, pairs.iter().map(|(_, other)| *other).collect());
        if own.len() == others.len() {
            pairs.extend(own.into_iter().zip(others));
        }
        pairs
    }
}

impl<'a> Shape<'a> {
    pub(in crate::schema) const fn as_object(&self) -> Option<&Object<'a>> {
        match &self.kind {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }
}

fn required<'a>(object: &Object<'a>) -> BTreeSet<&'a str> {
    object.fields.iter().filter(|(_, field)| field.is_required).map(|(name, _)| *name).collect()
}

/// A field that is always there and has just one value.
fn tag<'a>(object: &Object<'a>, document: Document<'a>) -> Option<(&'a str, &'a Value)> {
    object.fields.iter().filter(|(_, field)| field.is_required).find_map(|(name, field)| {
        // A look that unfolds nothing: a tag stands where it is used.
        let is_flat = field
            .part
            .schemas()
            .iter()
            .any(|schema| schema.get("const").is_some() || schema.get("enum").is_some());
        if !is_flat {
            return None;
        }
        match expand(document, &field.part).shapes[..] {
            [Shape { kind: Kind::Value(value), .. }] => Some((*name, value)),
            _ => None,
        }
    })
}
