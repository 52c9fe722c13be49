//! Whether every value of one shape is one of another.

use super::Reading;
use crate::schema::{
    document::Place,
    format,
    shape::{Array, Kind, Numbers, Object, Part, Shape, Texts},
    words::{alike, count},
};

impl<'w, 'r> Reading<'_, 'w, 'r> {
    /// Whether every value that is written as one shape is read as the other. If not, the failures say why.
    pub(super) fn shape(&mut self, writes: &Shape<'w>, reads: &Shape<'r>, place: Place<'_>) -> bool {
        let before = self.failures.len();
        match (&writes.kind, &reads.kind) {
            (Kind::Number(writes), Kind::Number(reads)) => self.numbers(writes, reads, place),
            (Kind::Text(writes), Kind::Text(reads)) => self.texts(writes, reads, place),
            (Kind::Array(writes), Kind::Array(reads)) => self.arrays(writes, reads, place),
            (Kind::Object(writes), Kind::Object(reads)) => self.objects(writes, reads, place),
            // The others are comparable only if one is read as the other.
            _ => return true,
        }
        for (name, value) in &reads.opaque {
            if !writes.opaque.iter().any(|(own, other)| own == name && alike(other, value)) {
                let reader = self.reader;
                let why = format!(
                    "nobody can tell here whether it fits `{name}` of {reader}, so that it counts as not read"
                );
                self.fail(place, why);
            }
        }
        self.failures.len() == before
    }

    fn numbers(&mut self, writes: &Numbers<'w>, reads: &Numbers<'r>, place: Place<'_>) {
        let reader = self.reader;
        if reads.is_integer && !writes.is_integer {
            self.fail(place, format!("it may have a fraction, where {reader} reads integers"));
        }
        let range = if writes.is_integer { reads.range.of_integers() } else { reads.range };
        let (is_low, is_high) = writes.range.is_within(range);
        if !(is_low && is_high) {
            let what = if reads.is_integer { "integers" } else { "numbers" };
            let may = match (is_low, is_high) {
                (true, _) => "greater",
                (_, true) => "less",
                _ => "less or greater",
            };
            self.fail(place, format!("it may be {may}, where {reader} reads {what} {range}"));
        }
        for unit in &reads.units {
            if !writes.units.iter().any(|own| own.is_multiple_of(*unit)) {
                self.fail(place, format!("it may be no multiple of {unit}, which {reader} asks for"));
            }
        }
    }

    fn texts(&mut self, writes: &Texts<'w>, reads: &Texts<'r>, place: Place<'_>) {
        let reader = self.reader;
        if writes.min < reads.min {
            let why =
                format!("it may be shorter, where {reader} reads {} or more", count(reads.min, "character"));
            self.fail(place, why);
        }
        if let Some(max) = reads.max.filter(|max| writes.max.is_none_or(|own| own > *max)) {
            let why = format!("it may be longer, where {reader} reads {} or fewer", count(max, "character"));
            self.fail(place, why);
        }
        for wanted in &reads.formats {
            if !writes.formats.iter().any(|own| format::is_within(own, wanted)) {
                let why =
                    format!("it may be a text that is not of the format `{wanted}`, which {reader} asks for");
                self.fail(place, why);
            }
        }
    }

    fn arrays(&mut self, writes: &Array<'w>, reads: &Array<'r>, place: Place<'_>) {
        let reader = self.reader;
        if writes.min < reads.min {
            self.fail(
                place,
                format!("it may be shorter, where {reader} reads {} or more", count(reads.min, "item")),
            );
        }
        if let Some(max) = reads.max.filter(|max| writes.max.is_none_or(|own| own > *max)) {
            self.fail(
                place,
                format!("it may be longer, where {reader} reads {} or fewer", count(max, "item")),
            );
        }
        let at_most_one = writes.max.is_some_and(|max| max < 2);
        if reads.is_unique && !writes.is_unique && !at_most_one {
            self.fail(place, format!("it may hold an item twice, where {reader} reads every item once"));
        }
        let longest = writes.first.len().max(reads.first.len());
        let written = writes.max.map_or(longest, |max| longest.min(max));
        // An item that is refused by the length needs no second reason.
        let read = reads.max.map_or(written, |max| written.min(max));
        for index in 0..read {
            self.part(writes.item(index), reads.item(index), place.item(index));
        }
        if writes.max.is_none_or(|max| max > longest) && reads.max.is_none_or(|max| max > longest) {
            self.part(&writes.rest, &reads.rest, place.any());
        }
    }

    fn objects(&mut self, writes: &Object<'w>, reads: &Object<'r>, place: Place<'_>) {
        let (writer, reader) = (self.writer, self.reader);
        for (name, field) in &reads.fields {
            let at = place.field(name);
            let own = writes.fields.get(name);
            let written = writes.written(name).filter(|part| !self.writes.is_never(part));
            if field.is_required && !own.is_some_and(|own| own.is_required || own.is_always_written) {
                let why = match (&written, renamed(writes, reads, &field.part)) {
                    (None, Some(other)) => format!(
                        "{writer} never writes `{name}`, which {reader} requires; if it is `{other}` under another name, \
                         `#[serde(rename = \"{other}\")]` keeps that, and `#[serde(alias = \"{other}\")]` reads both, \
                         though no schema shows it"
                    ),
                    (None, None) => format!("{writer} never writes `{name}`, which {reader} requires"),
                    (Some(_), _) => format!("{writer} may leave `{name}` out, which {reader} requires"),
                };
                self.fail(at, why);
            }
            if let Some(written) = written {
                self.part(&written, &field.part, at);
            }
        }
        for (name, field) in writes.fields.iter().filter(|(name, _)| !reads.fields.contains_key(*name)) {
            let Some(part) = reads.field(name) else { continue };
            if self.writes.is_never(&field.part) {
                continue;
            }
            if self.reads.is_never(&part) {
                self.fail(
                    place.field(name),
                    format!("{reader} refuses fields that it does not know, and knows no `{name}`"),
                );
            } else {
                self.part(&field.part, &part, place.field(name));
            }
        }
        self.other_fields(writes, reads, place);
    }

    /// Fields whose names are not known.
    fn other_fields(&mut self, writes: &Object<'w>, reads: &Object<'r>, place: Place<'_>) {
        let reader = self.reader;
        let any = place.any();
        for (pattern, part) in &writes.patterns {
            let like = reads.patterns.iter().find(|(other, _)| format::matches_within(pattern, other));
            match like.map(|(_, part)| part).or(reads.rest.as_ref().filter(|_| reads.patterns.is_empty())) {
                Some(reads) if self.reads.is_never(reads) => self.refused(any),
                Some(reads) => self.part(part, reads, any),
                None if reads.patterns.is_empty() => true,
                None => {
                    let known = format!("{reader} reads fields of other names than `{pattern}` stands for");
                    self.fail(any, known)
                }
            };
        }
        let Some(rest) = writes.written_rest().filter(|rest| !self.writes.is_never(rest)) else { return };
        match &reads.rest {
            Some(reads) if self.reads.is_never(reads) => {
                self.refused(any);
            }
            Some(reads) => {
                self.part(&rest, reads, any);
            }
            None => {}
        }
        for (_, reads) in &reads.patterns {
            self.part(&rest, reads, any);
        }
    }

    fn refused(&mut self, place: Place<'_>) -> bool {
        self.fail(
            place,
            format!(
                "it may have fields of any name, where {} refuses those that it does not know",
                self.reader
            ),
        )
    }
}

impl<'w> Object<'w> {
    /// What a writer may write into a field; `None` where it never writes it. Objects are closed: what is not
    /// described is not written.
    pub(super) fn written(&self, name: &str) -> Option<Part<'w>> {
        self.field(name).or_else(|| self.written_rest())
    }

    fn written_rest(&self) -> Option<Part<'w>> {
        self.rest.clone().or_else(|| (!self.is_described).then(Part::default))
    }
}

/// The only field of the writer's of the same type, of which the reader knows nothing.
fn renamed<'w>(writes: &Object<'w>, reads: &Object<'_>, wanted: &Part<'_>) -> Option<&'w str> {
    let [wanted] = wanted.schemas() else { return None };
    let is_like = |part: &Part<'_>| matches!(part.schemas(), [own] if alike(own, wanted));
    let unknown = writes.fields.iter().filter(|(name, _)| !reads.fields.contains_key(*name));
    let mut like = unknown.filter(|(_, field)| is_like(&field.part)).map(|(name, _)| *name);
    like.next().filter(|_| like.next().is_none())
}
