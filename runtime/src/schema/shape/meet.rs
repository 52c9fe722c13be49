//! What two shapes both allow, and whether a shape allows a value.

use serde_json::Value;

use super::{Array, Field, Kind, Numbers, Object, Part, Shape, Texts};
use crate::schema::{
    document::Document,
    format,
    number::{Num, same},
    validate,
};

pub(super) fn meet<'a>(document: Document<'a>, one: &Shape<'a>, other: &Shape<'a>) -> Option<Shape<'a>> {
    let kind = match (&one.kind, &other.kind) {
        (Kind::Null, Kind::Null) => Kind::Null,
        (Kind::Boolean, Kind::Boolean) => Kind::Boolean,
        (Kind::Number(one), Kind::Number(other)) => Kind::Number(numbers(one, other)?),
        (Kind::Text(one), Kind::Text(other)) => Kind::Text(texts(one, other)?),
        (Kind::Array(one), Kind::Array(other)) => Kind::Array(arrays(one, other)?),
        (Kind::Object(one), Kind::Object(other)) => Kind::Object(objects(one, other)),
        (Kind::Value(value), _) if other.allows(document, value) => Kind::Value(value),
        (_, Kind::Value(value)) if one.allows(document, value) => Kind::Value(value),
        _ => return None,
    };
    let mut met = Shape { kind, choices: one.choices.clone(), opaque: one.opaque.clone() };
    met.choices.extend(&other.choices);
    met.opaque.extend(other.opaque.iter().filter(|keyword| !one.opaque.contains(keyword)));
    Some(met)
}

impl<'a> Shape<'a> {
    /// Whether a value is of this shape; `false` too where that is not known.
    pub(in crate::schema) fn allows(&self, document: Document<'a>, value: &Value) -> bool {
        self.opaque.is_empty() && self.is_like(document, value)
    }

    /// Whether a value is not of this shape; `false` too where that is not known.
    pub(in crate::schema) fn refuses(&self, document: Document<'a>, value: &Value) -> bool {
        !self.is_like(document, value)
    }

    fn is_like(&self, document: Document<'a>, value: &Value) -> bool {
        let part = |part: &Part<'a>, value: &Value| {
            part.schemas().iter().all(|schema| validate::fits(document, schema, value))
        };
        match (&self.kind, value) {
            (Kind::Null, Value::Null) | (Kind::Boolean, Value::Bool(_)) => true,
            (Kind::Number(numbers), Value::Number(number)) => numbers.allow(Num::of(number)),
            (Kind::Text(texts), Value::String(text)) => texts.allow(text),
            (Kind::Array(array), Value::Array(items)) => {
                array.min <= items.len()
                    && array.max.is_none_or(|max| items.len() <= max)
                    && (!array.is_unique
                        || (1..items.len())
                            .all(|end| !items[..end].iter().any(|item| same(item, &items[end]))))
                    && items.iter().enumerate().all(|(index, item)| part(array.item(index), item))
            }
            (Kind::Object(object), Value::Object(fields)) => {
                object.fields.iter().all(|(name, field)| !field.is_required || fields.contains_key(*name))
                    && fields
                        .iter()
                        .all(|(name, value)| object.field(name).is_none_or(|field| part(&field, value)))
            }
            (Kind::Value(only), value) => same(only, value),
            _ => false,
        }
    }
}

impl Numbers<'_> {
    fn allow(&self, number: Num) -> bool {
        (!self.is_integer || number.is_integer())
            && self.range.contains(number)
            && self.units.iter().all(|unit| number.is_multiple_of(*unit))
    }
}

impl Texts<'_> {
    fn allow(&self, text: &str) -> bool {
        let length = text.chars().count();
        self.min <= length
            && self.max.is_none_or(|max| length <= max)
            && self.formats.iter().all(|format| format::is_of(format, text))
    }
}

fn numbers<'a>(one: &Numbers<'a>, other: &Numbers<'a>) -> Option<Numbers<'a>> {
    let is_integer = one.is_integer || other.is_integer;
    let range = one.range.and(other.range);
    let range = if is_integer { range.of_integers() } else { range };
    let mut units = one.units.clone();
    units.extend(other.units.iter().filter(|unit| !one.units.contains(unit)));
    (!range.is_empty()).then_some(Numbers { is_integer, range, units, format: one.format.or(other.format) })
}

fn texts<'a>(one: &Texts<'a>, other: &Texts<'a>) -> Option<Texts<'a>> {
    let mut formats = one.formats.clone();
    formats.extend(other.formats.iter().filter(|format| !one.formats.contains(format)));
    let (min, max) = (one.min.max(other.min), least(one.max, other.max));
    max.is_none_or(|max| min <= max).then_some(Texts { min, max, formats })
}

fn arrays<'a>(one: &Array<'a>, other: &Array<'a>) -> Option<Array<'a>> {
    let longest = one.first.len().max(other.first.len());
    let (min, max) = (one.min.max(other.min), least(one.max, other.max));
    max.is_none_or(|max| min <= max).then(|| Array {
        first: (0..longest).map(|index| one.item(index).clone().and(other.item(index))).collect(),
        rest: one.rest.clone().and(&other.rest),
        min,
        max,
        is_unique: one.is_unique || other.is_unique,
    })
}

fn least(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}

fn objects<'a>(one: &Object<'a>, other: &Object<'a>) -> Object<'a> {
    let mut met = Object { is_described: one.is_described || other.is_described, ..Object::default() };
    for (own, others) in [(one, other), (other, one)] {
        for (name, field) in &own.fields {
            let part = others.field(name).unwrap_or_default();
            let into = met
                .fields
                .entry(name)
                .or_insert_with(|| Field { part: field.part.clone().and(&part), ..Field::default() });
            into.is_required |= field.is_required;
            into.is_always_written |= field.is_always_written;
        }
        for (pattern, part) in &own.patterns {
            let rest = others.rest.clone().unwrap_or_default();
            met.patterns.push((pattern, part.clone().and(&rest)));
        }
    }
    met.rest = match (&one.rest, &other.rest) {
        (Some(one), Some(other)) => Some(one.clone().and(other)),
        (one, other) => one.clone().or_else(|| other.clone()),
    };
    met
}
