//! Whether whatever one type writes is read by another.
//!
//! The writer's objects are closed: a field that it does not name is never written, so that nothing can be wrong with
//! it. A part whose shapes are compared is taken for read while it is being compared, which is what ends types that
//! hold themselves. Where it cannot be told whether something is read, it counts as not read, and the reason says so.

mod apart;
mod cover;

use std::rc::Rc;

use hashbrown::HashMap;
use serde_json::Value;

use super::{
    document::Place,
    shape::{Kind, Label, Labels, Part, Shape, Shapes, Union},
    validate::list,
    words::all_alike,
};

/// So many comparisons of parts are made, and then no more.
const MOST: usize = 200_000;

/// What is nested deeper is not looked at.
const DEEPEST: usize = 200;

/// A message that one type may write and the other does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) place: String,
    pub(super) why: String,
}

/// Every place at which a message of `writer` may not be read by `reader`. The names are those of the two types in the
/// reasons: "the old type".
pub(super) fn unread(
    writer: (&mut Shapes<'_>, &'static str),
    reader: (&mut Shapes<'_>, &'static str),
) -> Vec<Failure> {
    let (writes, reads) = (writer.0.root(), reader.0.root());
    let mut reading = Reading {
        writes: writer.0,
        reads: reader.0,
        writer: writer.1,
        reader: reader.1,
        known: HashMap::new(),
        trail: Vec::new(),
        refused: Vec::new(),
        choices: HashMap::new(),
        failures: Vec::new(),
        variant: Vec::new(),
        steps: 0,
        depth: 0,
    };
    reading.part(&writes, &reads, Place::root());
    reading.failures
}

struct Reading<'s, 'w, 'r> {
    writes: &'s mut Shapes<'w>,
    reads: &'s mut Shapes<'r>,
    writer: &'static str,
    reader: &'static str,
    known: HashMap<Pair<'w, 'r>, State>,
    /// Which pairs were found to be read, in the order in which they were: what was found on an assumption that turns
    /// out to be wrong is forgotten.
    trail: Vec<Pair<'w, 'r>>,
    /// Which pairs were found not to be read, as long as that is told.
    refused: Vec<Pair<'w, 'r>>,
    /// Which lists of alternatives are the same on both sides.
    choices: HashMap<(*const Vec<Value>, *const Vec<Value>), bool>,
    failures: Vec<Failure>,
    /// The variants of enums that are being compared, where a place does not tell them.
    variant: Vec<String>,
    steps: usize,
    depth: usize,
}

#[derive(Debug, Clone)]
enum State {
    /// Being compared, or compared and read.
    Read,
    /// Not read, and what is told of it where it stands again.
    Unread(String),
}

type Pair<'w, 'r> = (Part<'w>, Part<'r>);

/// What is wrong if one alternative is the one that is meant.
struct Trial<'w, 'r> {
    index: usize,
    failures: Vec<Failure>,
    refused: Vec<Pair<'w, 'r>>,
}

/// What may be read at a place.
struct Read<'u, 'r> {
    union: &'u Rc<Union<'r>>,
    labels: &'u Labels,
    /// Which of them is like what is written.
    like: Option<usize>,
}

/// Whether both are variants that the same field tells apart.
fn is_other_variant(writes: &Label, reads: &Label) -> bool {
    matches!((writes, reads), (Label::Tag(one, own), Label::Tag(other, others)) if one == other && own != others)
}

impl<'w, 'r> Reading<'_, 'w, 'r> {
    /// Whether every value of one part is read by the other. If not, the failures say where.
    fn part(&mut self, writes: &Part<'w>, reads: &Part<'r>, place: Place<'_>) -> bool {
        if reads.is_any() || writes.is_leaf_alike(reads) {
            return true;
        }
        self.steps += 1;
        if self.steps > MOST || self.depth > DEEPEST {
            return self
                .fail(place, "it is too large to be compared, so that it counts as not read".to_owned());
        }
        let pair = (self.writes.meant(writes), self.reads.meant(reads));
        match self.known.get(&pair) {
            Some(State::Read) => return true,
            Some(State::Unread(again)) => {
                let again = again.clone();
                return self.fail(place, again);
            }
            None => {}
        }
        self.known.insert(pair.clone(), State::Read);
        let (before, told) = (self.trail.len(), self.failures.len());
        self.depth += 1;
        let is_read = self.unfolded(&pair.0, &pair.1, place);
        self.depth -= 1;
        if is_read {
            self.trail.push(pair);
        } else {
            for found in self.trail.drain(before..) {
                self.known.remove(&found);
            }
            let here = place.to_string();
            let again = match &self.failures[told..] {
                [only] if only.place == here => only.why.clone(),
                _ if here.is_empty() => "it is not always read, as the whole is not".to_owned(),
                _ => format!("it is not always read, as at {here}"),
            };
            self.refused.push(pair.clone());
            self.known.insert(pair, State::Unread(again));
        }
        is_read
    }

    fn unfolded(&mut self, writes: &Part<'w>, reads: &Part<'r>, place: Place<'_>) -> bool {
        let (written, read) = (self.writes.of(writes), self.reads.of(reads));
        if written.is_cut || read.is_cut {
            return self.fail(
                place,
                "it has too many alternatives to be compared, or a reference that leads nowhere, so that it counts as not read".to_owned(),
            );
        }
        let (written_labels, read_labels) = (&written.labels, &read.labels);
        let pairs = written_labels.pairs(read_labels);
        let mut unknown = Vec::new();
        let before = self.failures.len();
        for (index, shape) in written.shapes.iter().enumerate() {
            let like = pairs.iter().find(|(own, _)| *own == index).map(|(_, other)| *other);
            let label = &written_labels.0[index];
            if matches!(label, Label::Tag(..)) {
                self.variant.push(format!("in {label}, "));
            }
            let read = Read { union: &read, labels: read_labels, like };
            let is_known = self.alternative((shape, label), &read, place);
            if matches!(label, Label::Tag(..)) {
                self.variant.pop();
            }
            if !is_known {
                unknown.push(label.clone());
            }
        }
        if !unknown.is_empty() {
            let may = list(unknown.iter().map(Label::to_string), "or");
            let reader = self.reader;
            let why = match &read_labels.0[..] {
                [] => format!("it may be {may}, where {reader} reads nothing"),
                [..] if read_labels.0.len() > 6 => {
                    format!("it may be {may}, which {reader} does not read there")
                }
                known => format!(
                    "it may be {may}, where {reader} reads {}",
                    list(known.iter().map(Label::to_string), "or")
                ),
            };
            self.fail(place, why);
        }
        self.failures.len() == before
    }

    /// Whether a shape is read by one of several; `false` where none of them is like it, and otherwise the failures tell.
    fn alternative(&mut self, shape: (&Shape<'w>, &Label), read: &Read<'_, 'r>, place: Place<'_>) -> bool {
        let (shape, label) = shape;
        let others = (0..read.union.shapes.len()).filter(|index| Some(*index) != read.like);
        let candidates: Vec<_> = read.like.into_iter().chain(others).collect();
        let mut told: Vec<Trial<'w, 'r>> = Vec::new();
        for index in candidates {
            let candidate = &read.union.shapes[index];
            if !self.is_comparable(shape, candidate) || is_other_variant(label, &read.labels.0[index]) {
                continue;
            }
            let (failed, refused) = (self.failures.len(), self.refused.len());
            if self.shape(shape, candidate, place) {
                self.forget(told);
                return self.is_only_choice(shape, read.union, index, place);
            }
            let (failures, refused) = (self.failures.split_off(failed), self.refused.split_off(refused));
            told.push(Trial { index, failures, refused });
        }
        let both = [Value::Bool(false), Value::Bool(true)];
        let is_read =
            |value: &Value| read.union.shapes.iter().any(|shape| shape.allows(self.reads.document, value));
        if matches!(shape.kind, Kind::Boolean) && both.iter().all(is_read) {
            return true;
        }
        // What a variant lacks to be another one is of no use to anybody.
        let is_variant = matches!(label, Label::With(_) | Label::Nth(_));
        let meant = told.iter().position(|trial| Some(trial.index) == read.like);
        let meant =
            meant.or((told.len() == 1 && !is_variant).then_some(0)).map(|meant| told.swap_remove(meant));
        self.forget(told);
        let Some(meant) = meant else { return false };
        self.failures.extend(meant.failures);
        self.refused.extend(meant.refused);
        true
    }

    /// What was found in vain is told nowhere, so that nothing may refer to it.
    fn forget(&mut self, trials: Vec<Trial<'w, 'r>>) {
        for pair in trials.into_iter().flat_map(|trial| trial.refused) {
            self.known.remove(&pair);
        }
    }

    /// Whether one may be read as the other at all.
    fn is_comparable(&self, writes: &Shape<'w>, reads: &Shape<'r>) -> bool {
        match (&writes.kind, &reads.kind) {
            (Kind::Value(value), _) => reads.allows(self.reads.document, value),
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }

    /// Of the alternatives of a `oneOf` no more than one may fit. That holds where the writer has the same ones.
    fn is_only_choice(
        &mut self,
        shape: &Shape<'w>,
        read: &Union<'r>,
        index: usize,
        place: Place<'_>,
    ) -> bool {
        for (choice, own) in &read.shapes[index].choices {
            if shape.choices.iter().any(|(written, _)| self.are_choices_alike(written, choice)) {
                continue;
            }
            let is_other =
                |of: &Shape<'r>| of.choices.iter().any(|(of, at)| std::ptr::eq(*of, *choice) && at != own);
            for other in read.shapes.iter().filter(|other| is_other(other)) {
                if !self.is_apart(shape, other, 0) {
                    let reader = self.reader;
                    let why =
                        format!("it may fit several alternatives of a `oneOf`, of which {reader} allows one");
                    self.fail(place, why);
                    // It is told, whatever it is.
                    return true;
                }
            }
        }
        true
    }

    fn are_choices_alike(&mut self, written: &'w Vec<Value>, read: &'r Vec<Value>) -> bool {
        let pair = (std::ptr::from_ref(written), std::ptr::from_ref(read));
        *self.choices.entry(pair).or_insert_with(|| all_alike(written, read))
    }

    fn fail(&mut self, place: Place<'_>, why: String) -> bool {
        let why = self.variant.last().map_or_else(|| why.clone(), |variant| format!("{variant}{why}"));
        self.failures.push(Failure { place: place.to_string(), why });
        false
    }
}
