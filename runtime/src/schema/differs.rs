//! What is different between two schemas, in words, without a word on what comes of it.

use hashbrown::HashMap;
use serde_json::Value;

use super::{
    document::Place,
    shape::{Kind, Label, Labels, Object, Part, Shape, Shapes},
    validate::list,
    words::alike,
};

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) place: String,
    pub(super) what: String,
}

/// Every difference in what a message may be, in no particular order. How a schema is written makes none.
pub(super) fn differences(old: &mut Shapes<'_>, new: &mut Shapes<'_>) -> Vec<Difference> {
    let (before, after) = (old.root(), new.root());
    let mut differing =
        Differing { old, new, seen: HashMap::new(), found: Vec::new(), variant: Vec::new(), depth: 0 };
    differing.part(&before, &after, Place::root());
    differing.found
}

/// What is nested deeper is not looked at; a comparison that fails there says so.
const DEEPEST: usize = 200;

struct Differing<'s, 'o, 'n> {
    old: &'s mut Shapes<'o>,
    new: &'s mut Shapes<'n>,
    /// What was compared, and what is told of it where it stands again, if it is different.
    seen: HashMap<(Part<'o>, Part<'n>), Option<String>>,
    found: Vec<Difference>,
    variant: Vec<String>,
    depth: usize,
}

impl<'o, 'n> Differing<'_, 'o, 'n> {
    fn part(&mut self, old: &Part<'o>, new: &Part<'n>, place: Place<'_>) {
        if old.is_leaf_alike(new) || self.depth == DEEPEST {
            return;
        }
        let pair = (self.old.meant(old), self.new.meant(new));
        if let Some(seen) = self.seen.get(&pair) {
            if let Some(again) = seen.clone() {
                self.tell(place, again);
            }
            return;
        }
        self.seen.insert(pair.clone(), None);
        let before = self.found.len();
        self.depth += 1;
        self.unfolded(&pair.0, &pair.1, place);
        self.depth -= 1;
        let here = place.to_string();
        let again = match &self.found[before..] {
            [] => return,
            [only] if only.place == here => only.what.clone(),
            _ if here.is_empty() => "it is different as the whole is".to_owned(),
            _ => format!("it is different as at {here}"),
        };
        self.seen.insert(pair, Some(again));
    }

    fn unfolded(&mut self, old: &Part<'o>, new: &Part<'n>, place: Place<'_>) {
        let is_any = (old.is_any(), new.is_any());
        let (old, new) = (self.old.of(old), self.new.of(new));
        let (old_labels, new_labels) = (&old.labels, &new.labels);
        let pairs = old_labels.pairs(new_labels);
        let gone = (0..old.shapes.len()).filter(|index| !pairs.iter().any(|(old, _)| old == index));
        let come = (0..new.shapes.len()).filter(|index| !pairs.iter().any(|(_, new)| new == index));
        let gone: Vec<_> = gone.map(|index| words(&old.shapes[index], &old_labels.0[index])).collect();
        let come: Vec<_> = come.map(|index| words(&new.shapes[index], &new_labels.0[index])).collect();
        let all = |labels: &Labels, is_any: bool, words: &[String]| match words {
            _ if is_any => Some("anything".to_owned()),
            [only] if labels.0.len() == 1 => Some(only.clone()),
            _ => None,
        };
        match (all(old_labels, is_any.0, &gone), all(new_labels, is_any.1, &come)) {
            (Some(old), Some(new)) if !gone.is_empty() || !come.is_empty() => {
                self.tell(place, format!("it was {old}, and is {new}"));
            }
            (Some(old), None) if is_any.0 => {
                self.tell(
                    place,
                    format!("it was {old}, and is {}", list(new_labels.0.iter().map(Label::to_string), "or")),
                );
            }
            (None, Some(new)) if is_any.1 => {
                self.tell(
                    place,
                    format!("it was {}, and is {new}", list(old_labels.0.iter().map(Label::to_string), "or")),
                );
            }
            _ => {
                if !gone.is_empty() {
                    self.tell(place, format!("it may no longer be {}", list(gone, "or")));
                }
                if !come.is_empty() {
                    self.tell(place, format!("it may now be {}", list(come, "or")));
                }
            }
        }
        if old.is_cut != new.is_cut {
            self.tell(place, "it has too many alternatives to be compared".to_owned());
        }
        for (one, other) in pairs {
            let label = &old_labels.0[one];
            let is_tagged = matches!(label, Label::Tag(..));
            if is_tagged {
                self.variant.push(format!("in {label}, "));
            }
            self.shape(&old.shapes[one], &new.shapes[other], place);
            if is_tagged {
                self.variant.pop();
            }
        }
    }

    fn shape(&mut self, old: &Shape<'o>, new: &Shape<'n>, place: Place<'_>) {
        match (&old.kind, &new.kind) {
            (Kind::Number(old), Kind::Number(new)) => self.words(old.words(), new.words(), place),
            (Kind::Text(old), Kind::Text(new)) => self.words(old.words(), new.words(), place),
            (Kind::Array(old), Kind::Array(new)) => {
                self.words(old.words(), new.words(), place);
                let longest = old.first.len().max(new.first.len());
                for index in 0..longest {
                    self.part(old.item(index), new.item(index), place.item(index));
                }
                let is_over = |max: Option<usize>| max.is_some_and(|max| max <= longest);
                if !is_over(old.max) && !is_over(new.max) {
                    self.part(&old.rest, &new.rest, place.any());
                }
            }
            (Kind::Object(old), Kind::Object(new)) => self.object(old, new, place),
            _ => {}
        }
        let only = |one: &[(&str, &Value)], other: &[(&str, &Value)]| -> Vec<String> {
            let is_like =
                |own: &(&str, &Value), other: &(&str, &Value)| own.0 == other.0 && alike(own.1, other.1);
            let own = one.iter().filter(|own| !other.iter().any(|other| is_like(own, other)));
            own.map(|(name, _)| format!("`{name}`")).collect()
        };
        let mut others = only(&old.opaque, &new.opaque);
        others.extend(only(&new.opaque, &old.opaque));
        others.dedup();
        if !others.is_empty() {
            self.tell(place, format!("{} is different", list(others, "and")));
        }
    }

    fn words(&mut self, old: String, new: String, place: Place<'_>) {
        if old != new {
            self.tell(place, format!("it was {old}, and is {new}"));
        }
    }

    fn object(&mut self, old: &Object<'o>, new: &Object<'n>, place: Place<'_>) {
        for (name, field) in &new.fields {
            let at = place.field(name);
            let Some(before) = old.fields.get(name) else {
                let how = if field.is_required { ", and required" } else { "" };
                self.tell(at, format!("the field `{name}` is new{how}"));
                continue;
            };
            match (before.is_required, field.is_required) {
                (false, true) => self.tell(at, format!("the field `{name}` became required")),
                (true, false) if field.is_always_written => {
                    self.tell(
                        at,
                        format!("the field `{name}` became optional for those who write it elsewhere"),
                    );
                }
                (true, false) => self.tell(at, format!("the field `{name}` became optional")),
                (false, false) if before.is_always_written != field.is_always_written => {
                    let how =
                        if field.is_always_written { "is always written now" } else { "may be left out now" };
                    self.tell(at, format!("the field `{name}` {how}"));
                }
                _ => {}
            }
            self.part(&before.part, &field.part, at);
        }
        for name in old.fields.keys().filter(|name| !new.fields.contains_key(*name)) {
            self.tell(place.field(name), format!("the field `{name}` is gone"));
        }
        for (pattern, before) in &old.patterns {
            match new.patterns.iter().find(|(other, _)| other == pattern) {
                Some((_, after)) => self.part(before, after, place.any()),
                None => self.tell(place.any(), format!("fields with names like `{pattern}` are gone")),
            }
        }
        for (pattern, _) in &new.patterns {
            if !old.patterns.iter().any(|(other, _)| other == pattern) {
                self.tell(place.any(), format!("fields with names like `{pattern}` are new"));
            }
        }
        self.rest(old.rest.as_ref(), new.rest.as_ref(), place);
    }

    fn rest(&mut self, old: Option<&Part<'o>>, new: Option<&Part<'n>>, place: Place<'_>) {
        let is_closed =
            (old.is_some_and(|old| self.old.is_never(old)), new.is_some_and(|new| self.new.is_never(new)));
        match (is_closed, old, new) {
            ((false, true), ..) => self.tell(place, "fields that are not known are refused now".to_owned()),
            ((true, false), _, None) => {
                self.tell(place, "fields that are not known are no longer refused".to_owned());
            }
            ((false, false), Some(old), Some(new)) => self.part(old, new, place.any()),
            (_, None, Some(_)) | ((true, false), _, Some(_)) => {
                self.tell(place, "it may have fields of any name now".to_owned());
            }
            (_, Some(_), None) => self.tell(place, "it may no longer have fields of any name".to_owned()),
            _ => {}
        }
    }

    fn tell(&mut self, place: Place<'_>, what: String) {
        let what = self.variant.last().map_or_else(|| what.clone(), |variant| format!("{variant}{what}"));
        self.found.push(Difference { place: place.to_string(), what });
    }
}

/// A shape as a whole.
fn words(shape: &Shape<'_>, label: &Label) -> String {
    match &shape.kind {
        Kind::Number(numbers) => numbers.words(),
        Kind::Text(texts) => texts.words(),
        Kind::Array(array) => array.words(),
        _ => label.to_string(),
    }
}
